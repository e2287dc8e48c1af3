"""Render a page, or its live fragment alone when htmx asks for it."""

from typing import Any

from django.core.paginator import Page, Paginator
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.shortcuts import render
from django.urls import reverse
from django.utils.cache import patch_vary_headers

STOP_POLLING = 286
"""htmx swaps the answer and polls no more."""


def page_or_fragment(
    request: HttpRequest, page: str, fragment: str, context: dict[str, Any], *, final: bool
) -> HttpResponse:
    """Return the whole page, or to a poll the fragment; a poll that finds the end reloads the page.

    The fragment is told by ``live`` whether to go on polling.
    """
    polled = bool(request.htmx) and not request.htmx.history_restore_request
    template = fragment if polled else page
    response = render(request, template, context | {"live": not final})
    patch_vary_headers(response, ["HX-Request"])
    if polled and final:
        response.status_code = STOP_POLLING
        response.headers["HX-Refresh"] = "true"
    return response


def form_page(
    request: HttpRequest, page: str, fragment: str, context: dict[str, Any], status: int
) -> HttpResponse:
    """Return the page with its status, or to htmx, which swaps successes only, the fragment."""
    if request.htmx:
        return render(request, fragment, context)
    return render(request, page, context, status=status)


def see_other(request: HttpRequest, name: str, *args: Any, fragment: str = "") -> HttpResponse:
    """Send the browser to another page after a post, whether htmx or a plain form posted."""
    url = reverse(name, args=args) + (f"#{fragment}" if fragment else "")
    if request.htmx:
        return HttpResponse(status=204, headers={"HX-Redirect": url})
    return HttpResponseRedirect(url, status=303)


def posted(request: HttpRequest) -> QueryDict | None:
    """Return what was posted, be it nothing; None, for a form to fill in, where nobody posted."""
    return request.POST if request.method == "POST" else None


def page_of(request: HttpRequest, rows: QuerySet | list, size: int, name: str = "page") -> Page:
    """Return the page that the query string asks for; what is out of range is the nearest page."""
    return Paginator(rows, size).get_page(request.GET.get(name))
