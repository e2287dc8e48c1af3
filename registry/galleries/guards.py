"""The last wall around the live pointer: admin, shell and future code meet it in the database."""

from registry.core.guards import Guard

LIVE_POINTER = Guard(
    name="galleries_gallery_live_pointer",
    table="galleries_gallery",
    reads=("galleries_view", "galleries_viewsegment", "galleries_segment"),
    when="NEW.epoch {differs} OLD.epoch OR NEW.live_view_id {differs} OLD.live_view_id",
    refusals={
        "a live pointer moves to another view by exactly one epoch": (
            "NEW.epoch {differs} OLD.epoch + 1 OR NOT (NEW.live_view_id {differs} OLD.live_view_id)"
        ),
        "a live view is one of its gallery": (
            "NOT EXISTS (SELECT 1 FROM galleries_view v "
            "WHERE v.id = NEW.live_view_id AND v.gallery_id = NEW.id)"
        ),
        "a live view has an entry for every segment with items and for that of inserts": (
            "EXISTS (SELECT 1 FROM galleries_segment s WHERE s.gallery_id = NEW.id "
            "AND (s.live_items > 0 OR s.id = (SELECT v.insert_segment_id FROM galleries_view v "
            "WHERE v.id = NEW.live_view_id)) "
            "AND NOT EXISTS (SELECT 1 FROM galleries_viewsegment e "
            "WHERE e.view_id = NEW.live_view_id AND e.segment_id = s.id))"
        ),
    },
)
"""That a searched segment has evidence is a constraint of ``ViewSegment`` itself."""
