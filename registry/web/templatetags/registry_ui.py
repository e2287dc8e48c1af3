"""Template tags of the pages."""

from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from django import template
from django.forms import BoundField, CheckboxInput, CheckboxSelectMultiple, Select
from django.urls import NoReverseMatch, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from registry.catalog.models import ModelVersion
from registry.galleries.canaries import in_words
from registry.upgrades.models import Check, Upgrade
from registry.web import figures, spans
from registry.web.icons import ICONS
from registry.web.json_text import json_text
from registry.web.markdown import render_card
from registry.web.standings import STANDINGS, Standing, standing_of, standing_of_check

register = template.Library()

register.filter("count", figures.count)
register.filter("drift", figures.drift)
register.filter("finding", in_words)
register.filter("size", figures.size)
register.filter("duration", spans.duration)
register.filter("months", spans.months)
register.filter("plain", spans.plain)
register.filter("measure_name", figures.name_of)
register.filter("card", render_card)


@register.simple_tag
def icon(name: str) -> SafeString:
    """Draw one of the icons; it says nothing to a screen reader, a word stands beside it."""
    return format_html(
        '<svg class="glyph" viewBox="0 0 16 16" width="16" height="16" aria-hidden="true">'
        '<path d="{}"/></svg>',
        ICONS[name],
    )


@register.inclusion_tag("components/_standing.html")
def standing(of: str | Upgrade | Check | Standing, large: bool = False) -> dict[str, Any]:
    """Show a state or an outcome: the one component for all of them."""
    if isinstance(of, Upgrade):
        of = standing_of(of)
    elif isinstance(of, Check):
        of = standing_of_check(of)
    return {"standing": STANDINGS[of] if isinstance(of, str) else of, "large": large}


@register.simple_tag
def ends(moment: datetime) -> SafeString:
    """Say when something ends, or that its time is over."""
    expired = moment <= timezone.now()
    return format_html(
        '<span class="{}">{} {}</span>',
        "problem" if expired else "",
        "expired on" if expired else "ends",
        moment.date().isoformat(),
    )


@register.inclusion_tag("components/_digest.html")
def digest(value: str, full: bool = False) -> dict[str, Any]:
    """Show a digest: its beginning, or all of it where there is room to break it."""
    return {"value": value, "shown": value if full else value[:12], "full": full}


@register.simple_tag
def version_link(version: ModelVersion | None, short: bool = False) -> SafeString:
    """Link to the page of a version, named ``model:3``, or ``#3`` where the line is clear."""
    if version is None:
        return format_html('<span class="text-secondary">{}</span>', "none")
    url = reverse("version", args=[version.model.name, version.number])
    name = f"#{version.number}" if short else str(version)
    return format_html('<a class="version" href="{}">{}</a>', url, name)


@register.simple_tag
def ago(moment: datetime | None) -> SafeString:
    """Show how long ago something was, with the exact time on hovering."""
    if moment is None:
        return format_html("{}", "never")
    return format_html(
        '<time datetime="{}" title="{}">{}</time>',
        moment.isoformat(timespec="seconds"),
        moment.strftime("%Y-%m-%d %H:%M:%S UTC"),
        _in_words((timezone.now() - moment).total_seconds()),
    )


@register.inclusion_tag("components/_field.html")
def field(bound: BoundField) -> dict[str, Any]:
    """Show a form field with its label, hint and errors."""
    widget = bound.field.widget
    has_choices = isinstance(widget, CheckboxSelectMultiple)
    hint = f"{bound.id_for_label}_hint" if bound.help_text else ""
    widget.attrs["class"] = f"{_style_of(bound)} {widget.attrs.get('class', '')}".strip()
    if hint:
        widget.attrs["aria-describedby"] = hint
    return {
        "field": bound,
        "control": "" if has_choices else bound.as_widget(),
        "choices": list(bound) if has_choices else [],
        "hint": hint,
        "single_check": isinstance(widget, CheckboxInput),
    }


def _style_of(bound: BoundField) -> str:
    widget = bound.field.widget
    if isinstance(widget, CheckboxInput | CheckboxSelectMultiple):
        return "form-check-input"
    style = "form-select" if isinstance(widget, Select) else "form-control"
    return f"{style} is-invalid" if bound.errors else style


@register.inclusion_tag("components/_pager.html", takes_context=True)
def pager(context: dict[str, Any], page: Any, noun: str, name: str = "page") -> dict[str, Any]:
    """Show which page of how many this is, with links that keep the rest of the query."""
    query = context["request"].GET.copy()
    query.pop(name, None)
    return {"page": page, "noun": noun, "name": name, "query": query.urlencode()}


@register.simple_tag(takes_context=True)
def with_query(context: dict[str, Any], **changes: Any) -> str:
    """Return the present query string with some of its values changed."""
    query = {k: v for k, v in context["request"].GET.items() if k != "page"} | changes
    return "?" + urlencode({k: v for k, v in query.items() if v not in ("", None)})


@register.filter
def pretty_json(value: Any) -> str:
    """Return JSON with line breaks, for a ``pre`` element."""
    return json_text(value)


@register.filter
def words(value: str) -> str:
    """Return an identifier as words: ``fine_tuned_from`` is ``fine tuned from``."""
    return value.replace("_", " ")


@register.filter
def lookup(mapping: dict[Any, Any], key: Any) -> Any:
    """Return an entry of a mapping, or None."""
    return mapping.get(key)


@register.simple_tag
def subject_link(subject: str) -> SafeString:
    """Show the subject of a ledger entry, linked to the page of what it names."""
    url = _subject_url(subject)
    if url is None:
        return format_html('<span class="subject">{}</span>', subject)
    return format_html('<a class="subject" href="{}">{}</a>', url, subject)


def _subject_url(subject: str) -> str | None:
    kind, _, rest = subject.partition(":")
    name, _, last = rest.partition("@" if kind == "alias" else ":")
    routes: dict[str, tuple[str, list[str]]] = {
        "upgrade": ("upgrade", [rest]),
        "model": ("model", [rest]),
        "version": ("version", [name, last]),
        "alias": ("alias", [name, last]),
        "gallery": ("gallery", [rest]),
        "evaluation-set": ("evaluation_set_revision", [name, last]),
        "policy": ("policy_revision", [name, last]),
        "webhook": ("webhook", [rest]),
        "check": ("check", [rest]),
    }
    if kind not in routes:
        return None
    route, arguments = routes[kind]
    try:
        return reverse(route, args=arguments)
    except NoReverseMatch:
        return None


_UNITS = ((86_400 * 365, "y"), (86_400 * 30, "mo"), (86_400, "d"), (3_600, "h"), (60, "min"))


def _in_words(seconds: float) -> str:
    for length, unit in _UNITS:
        if seconds >= length:
            return f"{int(seconds // length)}\N{NO-BREAK SPACE}{unit} ago"
    return "just now" if seconds >= 0 else "in the future"


_AREAS = {
    "model": "models",
    "model_create": "models",
    "candidate_upload": "models",
    "version": "models",
    "alias": "models",
    "alias_roll_back": "models",
    "alias_safeguard": "models",
    "upgrade": "upgrades",
    "upgrade_promote": "upgrades",
    "upgrade_try": "upgrades",
    "upgrade_shadow": "upgrades",
    "upgrade_schedule": "upgrades",
    "upgrade_rewriting": "upgrades",
    "adapter_fit": "upgrades",
    "flips": "upgrades",
    "rivals": "upgrades",
    "check": "checks",
    "check_create": "checks",
    "check_flips": "checks",
    "evaluation_set": "evaluation_sets",
    "evaluation_set_upload": "evaluation_sets",
    "evaluation_set_revision": "evaluation_sets",
    "policy_revision": "policies",
    "policy_create": "policies",
    "policy_edit": "policies",
    "gallery": "galleries",
    "gallery_create": "galleries",
    "gallery_declare": "galleries",
    "gallery_canaries": "galleries",
    "gallery_search": "galleries",
    "gallery_backfill": "galleries",
    "gallery_economics": "galleries",
    "ledger_entry": "ledger",
    "webhook": "webhooks",
    "webhook_create": "webhooks",
    "webhook_rotate": "webhooks",
}


@register.filter
def area(url_name: str | None) -> str:
    """Return the entry of the navigation that a page belongs to."""
    return _AREAS.get(url_name or "", url_name or "")
