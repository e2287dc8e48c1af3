"""A card can say anything and do nothing."""

import re

import pytest

from registry.web.markdown import render_card

HOSTILE = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "![picture](https://evil.example/pixel.png)",
    "[click](javascript:alert(1))",
    "[click](data:text/html,<script>alert(1)</script>)",
    "[click](vbscript:msgbox)",
    '<a href="https://a.example" onclick="alert(1)">a</a>',
    "<svg onload=alert(1)>",
    '<p id="messages" name="x" style="position:fixed" class="frame">x</p>',
    "<iframe src=//evil.example></iframe>",
    "<style>body{display:none}</style>",
    "<form action=//evil.example><input name=csrf></form>",
    "<math><mtext><table><mglyph><style><img src=x onerror=alert(1)>",
    "[x]: javascript:alert(1)\n\n[x]",
    "```html\n<script>alert(1)</script>\n```",
    "<a href='jav&#x09;ascript:alert(1)'>a</a>",
]


@pytest.mark.parametrize("card", HOSTILE)
def test_nothing_in_a_card_runs_or_loads(card):
    html = render_card(card)

    tags = re.findall(r"<[^>]*>", html)
    assert not [t for t in tags if re.search(r"script|img|svg|iframe|style|form|input|math", t)]
    assert not [t for t in tags if re.search(r"\son\w+=|\sid=|\sname=|\sstyle=|\sclass=", t)]
    assert not [t for t in tags if re.search(r"javascript|vbscript|data:", t, re.IGNORECASE)]


def test_markdown_is_rendered():
    html = render_card("# Title\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n*soft* **loud**")

    for part in ("<h1>Title</h1>", "<td>1</td>", "<em>soft</em>", "<strong>loud</strong>"):
        assert part in html


def test_html_in_a_card_is_shown_as_text():
    assert "&lt;b&gt;bold&lt;/b&gt;" in render_card("<b>bold</b> words")


def test_a_link_carries_no_referrer():
    html = render_card("[docs](https://docs.example/a)")

    assert 'href="https://docs.example/a"' in html
    assert 'rel="noopener noreferrer nofollow"' in html
