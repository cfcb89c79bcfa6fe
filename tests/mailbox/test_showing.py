"""The HTML of a letter …"""

import time
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.mailbox.showing import LONGEST, show_html


def shown(html: str) -> str:
    written = show_html(html)
    assert written is not None
    return written


class Inventory(HTMLParser):
    """What a browser would find in it."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}


HARMLESS = {"class", "dir", "lang", "colspan", "rowspan", "align", "valign", "start"}
HARMFUL = [
    "<script>alert(1)</script>",
    "<scr<script>ipt>alert(1)</scr</script>ipt>",
    "<SCRIPT SRC=//evil.example/x.js></SCRIPT>",
    "<img src=x onerror=alert(1)>",
    "<img src=https://evil.example/pixel.gif>",
    "<img srcset='https://evil.example/a 1x' alt=x>",
    "<body onload=alert(1) background=https://evil.example/b.png>",
    "<p style='background:url(https://evil.example/x.png)'>x</p>",
    "<div style='position:fixed;top:0;left:0;width:100%;height:100%'>x</div>",
    "<style>@import url(https://evil.example/x.css); p{background:url(//evil)}</style>",
    "<link rel=stylesheet href=https://evil.example/x.css>",
    "<link rel=prefetch href=https://evil.example/>",
    "<meta http-equiv=refresh content='0;url=https://evil.example/'>",
    "<base href=https://evil.example/>",
    "<a href='javascript:alert(1)'>x</a>",
    "<a href='java\tscript:alert(1)'>x</a>",
    "<a href=' &#106;avascript:alert(1)'>x</a>",
    "<a href='data:text/html;base64,PHNjcmlwdD4='>x</a>",
    "<a href='vbscript:x'>x</a>",
    "<a href=https://evil.example/ target=_top ping=https://evil.example/>x</a>",
    "<form action=https://evil.example/><input name=password><button>Sign in</button></form>",
    "<button formaction=https://evil.example/>x</button>",
    "<input type=image src=https://evil.example/x.png>",
    "<textarea autofocus onfocus=alert(1)>x</textarea>",
    "<iframe src=https://evil.example/></iframe>",
    "<iframe srcdoc='<script>alert(1)</script>'></iframe>",
    "<object data=https://evil.example/x.swf></object><embed src=x><applet code=x>",
    "<svg onload=alert(1)><script>alert(1)</script><image href=https://evil.example/ /></svg>",
    "<svg><a xlink:href='javascript:alert(1)'><text>x</text></a></svg>",
    "<svg><style><img src=x onerror=alert(1)></style></svg>",
    "<math><mtext><table><mglyph><style><img src=x onerror=alert(1)>",
    "<math href='javascript:alert(1)'>x</math>",
    "<video src=https://evil.example/x poster=https://evil.example/y autoplay></video>",
    "<audio src=https://evil.example/x autoplay></audio>",
    "<table background=https://evil.example/x.png><tr><td background=//evil>x</table>",
    "<noscript><p title='</noscript><img src=x onerror=alert(1)>'></noscript>",
    "<template><img src=x onerror=alert(1)></template>",
    "<!--[if IE]><script>alert(1)</script><![endif]-->",
    "<!--><img src=x onerror=alert(1)>-->",
    "<![CDATA[<img src=x onerror=alert(1)>]]>",
    "<?xml version=1?><?php echo 1?>",
    "<plaintext><img src=x onerror=alert(1)>",
    "<xmp><img src=x onerror=alert(1)></xmp>",
    "<title><img src=x onerror=alert(1)></title>",
    "<p id=django-admin-csrf name=csrfmiddlewaretoken class=messagelist>x</p>",
    "\x00<scr\x00ipt>alert(1)</script>",
    "<img alt='\"><script>alert(1)</script>'>",
    "<img alt='--></span><img src=x onerror=alert(1)>'>",
    "<a href='https://x.example/\"><script>alert(1)</script>'>x</a>",
    "<p dir='\"><script>alert(1)</script>'>x</p>",
]


@pytest.mark.parametrize("html", HARMFUL)
def test_does_no_harm(html: str) -> None:
    for around in ("{}", "<div>{}", "<table><tr><td>{}", "<p title='{}'>", "<b><i>{}</b></i>"):
        harmless(shown(around.format(html)))


def harmless(html: str) -> None:
    found = Inventory(html)
    assert found.attributes <= HARMLESS
    assert not found.tags & {"a", "img", "script", "style", "form", "input", "iframe", "svg"}
    assert "onerror" not in html.replace("&lt;", "<").partition("<img")[0] or "&lt;" in html


@given(st.text(alphabet=list("<>/\"'=&; abimgsrcpontdefyl\x00!-"), max_size=200))
def test_does_no_harm_whatever_it_is(html: str) -> None:
    written = show_html(html)
    if written is not None:
        found = Inventory(written)
        assert found.attributes <= HARMLESS
        assert not found.tags & {"a", "img", "script", "style", "form", "svg"}


@pytest.mark.parametrize(
    ("html", "written"),
    [
        ("<p>Hello <b>you</b></p>", "<p>Hello <b>you</b></p>"),
        ("a &lt; b &amp; c", "a &lt; b &amp; c"),
        (
            "<table><tr><td colspan=2 align=right>x",
            '<table><tbody><tr><td colspan="2" align="right">x</td></tr></tbody></table>',
        ),
        ("<font color=red>red</font>", "red"),
        ('<p dir="rtl" lang="he">שלום</p>', '<p dir="rtl" lang="he">שלום</p>'),
    ],
)
def test_keeps_its_words_and_their_structure(html: str, written: str) -> None:
    assert shown(html) == written


@pytest.mark.parametrize(
    ("html", "written"),
    [
        (
            '<a href="https://example.com/?a=1&b=2">click</a>',
            '<span class="link">click</span> '
            '<span class="where">https://example.com/?a=1&amp;b=2</span>',
        ),
        (
            '<a href="https://evil.example/">https://bank.example/</a>',
            '<span class="link">https://bank.example/</span> '
            '<span class="where">https://evil.example/</span>',
        ),
        ('<a href="javascript:x">click</a>', '<span class="link">click</span>'),
        ("<a>click</a>", '<span class="link">click</span>'),
    ],
)
def test_tells_where_links_lead_and_lets_nobody_go_there(html: str, written: str) -> None:
    assert shown(html) == written


@pytest.mark.parametrize(
    ("html", "written"),
    [
        ('<img src="https://x/y.png" alt="Our logo">', "[picture: Our logo]"),
        ("<img src=https://x/y.png>", "[picture]"),
        ('<img src="data:image/png;base64,AAAA" alt="">', "[picture]"),
        ('<img src="cid:logo">', "[picture]"),
    ],
)
def test_names_pictures_and_shows_none(html: str, written: str) -> None:
    assert shown(html) == f'<span class="picture">{written}</span>'


@pytest.mark.parametrize("size", ["width=1 height=1", "width=0", "height=2"])
def test_leaves_out_what_only_counts_readers(size: str) -> None:
    assert shown(f"a<img src=https://x/y.gif {size}>b") == "ab"


@pytest.mark.parametrize(
    "html",
    [
        "<div>" * 40_000,
        "<b><i>" * 20_000,
        "".join(f"<font size={n}>" for n in range(3_000)) + "<p>x" * 20_000,
        "".join(f"<b id={n}>" for n in range(500)) + "<p>x" * 40_000,
        "<div></b>" * 20_000,
        "<p><b id=1></p>" * 10_000,
        "x" * (LONGEST + 1),
    ],
)
def test_is_not_shown_if_that_takes_too_much(html: str) -> None:
    begin = time.thread_time()
    assert show_html(html) is None
    assert time.thread_time() - begin < 2


@pytest.mark.parametrize(
    "html",
    [
        "<p>x" * 40_000,
        "<table>" + "<tr><td>a<td>b" * 5_000,
        "<table>" + "<tr><td><b>a</b></td><td><a href=x>b</a></td></tr>" * 3_000,
        "<ul>" + "<li>x" * 20_000,
        "<br>" * 40_000,
        "<p " + " ".join(f"a{n}=1" for n in range(20_000)) + ">x",
        "&" * 190_000,
        "<" * 190_000,
        "<!--" * 40_000,
    ],
)
def test_is_shown_soon_however_long(html: str) -> None:
    begin = time.thread_time()
    harmless(shown(html))
    assert time.thread_time() - begin < 4
