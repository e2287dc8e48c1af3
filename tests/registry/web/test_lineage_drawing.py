"""The graph of a lineage: parents left of children, edges past the versions between."""

from xml.etree import ElementTree

from hypothesis import given
from hypothesis import strategies as st

from registry.web.drawings.lineage import NODE_HEIGHT, Edge, Node, columns_of, draw_lineage


def nodes(count):
    return [Node(key, f"#{key}", f"/versions/{key}/") for key in range(count)]


@st.composite
def graphs(draw):
    count = draw(st.integers(1, 12))
    pairs = [(a, b) for a in range(count) for b in range(a + 1, count)]
    chosen = draw(st.lists(st.sampled_from(pairs), unique=True)) if pairs else []
    return count, [Edge(a, b, "retrained_from") for a, b in chosen]


@given(graphs())
def test_a_version_stands_right_of_all_its_parents(graph):
    count, edges = graph

    columns = columns_of(list(range(count)), edges)

    assert all(columns[edge.parent] < columns[edge.child] for edge in edges)


@given(graphs())
def test_no_two_versions_share_a_place(graph):
    count, edges = graph

    svg = ElementTree.fromstring(draw_lineage(nodes(count), edges))

    places = [(box.get("x"), box.get("y")) for box in svg.iter("rect")]
    assert len(set(places)) == count
    assert len(list(svg.iter("path"))) == len(edges)


def test_an_edge_that_skips_a_column_goes_round_the_version_there():
    edges = [Edge(0, 1, "retrained_from"), Edge(1, 2, "retrained_from"), Edge(0, 2, "adapter_of")]

    svg = ElementTree.fromstring(draw_lineage(nodes(3), edges))

    middle = next(b for b in svg.iter("rect") if svg_name(svg, b) == "#1")
    centre = int(middle.get("y")) + NODE_HEIGHT // 2
    skipping = list(svg.iter("path"))[2].get("d")
    assert f" {centre} H" not in skipping
    assert " H" in skipping


def svg_name(svg, box):
    return next(a.find("text").text for a in svg.iter("a") if box in list(a))


def test_names_and_relations_are_escaped():
    svg = draw_lineage([Node(1, "<script>", "/?a=<b>")], [])

    assert "<script>" not in svg
    assert "&lt;script&gt;" in svg


def test_an_edge_to_a_version_that_is_not_drawn_is_left_out():
    svg = draw_lineage(nodes(1), [Edge(0, 7, "retrained_from")])

    assert "<path" not in svg
