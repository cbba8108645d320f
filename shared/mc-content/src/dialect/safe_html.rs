//! HTML that can be shown to people on a page, whoever wrote it.
//!
//! Nothing of the author's is passed on as it was: each tag is written anew from lists of what is harmless, its values in
//! quotes and escaped, and every `<` of a text is escaped. No element is among them whose content a browser would read in
//! another way than as HTML. So however a browser would have read the source, of this it can make only what the lists allow.

use super::html::escape;
use super::html_text::decode;
use super::link::safe_url;
use super::tags::{Piece, Tag, pieces};

/// Elements that only look like something.
const ELEMENTS: &str = "a abbr address article aside b bdi bdo big blockquote body br caption center cite code col \
    colgroup dd del dfn div dl dt em figcaption figure font footer h1 h2 h3 h4 h5 h6 header hr i img ins kbd li main mark \
    nav ol p pre q s samp section small span strike strong sub sup table tbody td tfoot th thead tr tt u ul wbr";
/// Elements that never have an end tag.
const VOID: &str = "br col hr img wbr";
/// Elements whose end a browser knows where it is left out.
const ENDS_LEFT_OUT: &str = "colgroup dd dt li p tbody td tfoot th thead tr";
/// Elements that are left away with all that stands in them.
const LEFT_AWAY: [&str; 17] = [
    "applet", "audio", "canvas", "iframe", "math", "noembed", "noframes", "object", "script", "select",
    "style", "svg", "template", "textarea", "title", "video", "xmp",
];
/// Attributes that say how something looks or what it is, and lead nowhere.
const ATTRIBUTES: &str = "abbr align alt axis bgcolor border cellpadding cellspacing char charoff color colspan dir face \
    frame headers height hspace lang nowrap role rowspan rules scope size span start summary title type valign value \
    vspace width";
/// Functions of a style that fetch nothing.
const FUNCTIONS: &str = "calc clamp hsl hsla linear-gradient max min radial-gradient rgb rgba";
/// What could put a part of the mail over the page around it, or run something.
const REFUSED: &str = "-moz-binding behavior position";
/// Elements nested deeper than this are left away, not what stands in them. Browsers stop at 512.
const MAX_DEPTH: usize = 200;

/// The HTML of a mail as a piece of a page that shows it: nothing in it runs, sends, or goes by another page's look.
///
/// Scripts, forms, frames, embedded things, style sheets, comments, classes, ids and attributes beginning with `on` are
/// left away; of styles what fetches something or could lie over the page. Links lead where a link may lead
/// ([`safe_url`]), in a page of their own that is not told from where. **Pictures of the web stay and are fetched** by whoever
/// looks, without the address of the page; a file that travels in the mail is seen as its `alt`. A `body` becomes a `div`.
pub fn safe_html(html: &str) -> String {
    let mut writer = Writer { out: String::with_capacity(html.len()), open: Vec::new() };
    for piece in pieces(html, &LEFT_AWAY) {
        match piece {
            Piece::Text(text) => writer.out.push_str(&text.replace('<', "&lt;")),
            Piece::Tag(tag) => {
                let name = listed(ELEMENTS, &tag.name()).filter(|_| tag.is_whole());
                match name {
                    Some(name) if tag.closes() => writer.close(name),
                    Some(name) => writer.open(name, tag),
                    None => {}
                }
            }
            Piece::Silent(_) => {}
        }
    }
    writer.end_all(0);
    writer.out
}

fn listed(list: &'static str, name: &str) -> Option<&'static str> {
    list.split(' ').find(|item| *item == name)
}

struct Writer {
    out: String,
    open: Vec<&'static str>,
}

impl Writer {
    fn open(&mut self, name: &'static str, tag: Tag<'_>) {
        if listed(VOID, name).is_none() {
            self.end_left_out(name);
            if self.open.len() == MAX_DEPTH {
                return;
            }
            self.open.push(name);
        }
        self.out.push('<');
        self.out.push_str(written(name));
        for attribute in tag.attributes() {
            let value = decode(&tag.source()[attribute.value.clone()]);
            self.attribute(name, &attribute.name.to_ascii_lowercase(), value);
        }
        self.out.push('>');
    }

    fn attribute(&mut self, element: &str, name: &str, value: String) {
        let (value, more) = match (element, name) {
            ("a", "href") => (safe_url(&value), " target=\"_blank\" rel=\"noopener noreferrer\""),
            ("img", "src") => {
                (safe_url(&value).filter(|url| is_page(url)), " referrerpolicy=\"no-referrer\"")
            }
            (_, "style") => (Some(safe_style(&value)).filter(|style| !style.is_empty()), ""),
            _ => (listed(ATTRIBUTES, name).map(|_| value), ""),
        };
        let Some(value) = value else { return };
        self.out.push(' ');
        self.out.push_str(name);
        self.out.push_str("=\"");
        escape(&value, &mut self.out);
        self.out.push('"');
        self.out.push_str(more);
    }

    fn close(&mut self, name: &'static str) {
        // What is open around a table is not ended in one of its cells.
        let table = self.open.iter().rposition(|open| *open == "table").unwrap_or_default();
        let Some(at) = self.open[table..].iter().rposition(|open| *open == name) else { return };
        self.end_all(table + at + 1);
        self.open.pop();
        self.end(name);
    }

    /// Notes that an element ends where one like it begins, together with what in it has no end of its own.
    fn end_left_out(&mut self, name: &str) {
        let last = self.open.iter().rposition(|open| listed(ENDS_LEFT_OUT, open).is_none());
        let from = last.map_or(0, |at| at + 1);
        if let Some(at) = self.open[from..].iter().rposition(|open| *open == name) {
            self.open.truncate(from + at);
        }
    }

    /// Ends what is open from a depth on.
    fn end_all(&mut self, from: usize) {
        for name in self.open.split_off(from).into_iter().rev() {
            if listed(ENDS_LEFT_OUT, name).is_none() {
                self.end(name);
            }
        }
    }

    fn end(&mut self, name: &str) {
        self.out.push_str("</");
        self.out.push_str(written(name));
        self.out.push('>');
    }
}

/// What an element is in a piece of a page.
fn written(name: &str) -> &str {
    if name == "body" { "div" } else { name }
}

fn is_page(url: &str) -> bool {
    let scheme = url.split(':').next().unwrap_or_default();
    ["http", "https"].iter().any(|web| web.eq_ignore_ascii_case(scheme))
}

/// The declarations of a style that fetch nothing and keep to their place.
fn safe_style(style: &str) -> String {
    style
        .split(';')
        .map(str::trim)
        .filter(|declaration| is_harmless(declaration))
        .collect::<Vec<_>>()
        .join(";")
}

fn is_harmless(declaration: &str) -> bool {
    let Some((property, value)) = declaration.split_once(':') else { return false };
    let property = property.trim().to_ascii_lowercase();
    let is_name = !property.is_empty() && property.bytes().all(|b| b.is_ascii_lowercase() || b == b'-');
    // Escapes and comments could hide what stands in a value, and a quote that is not ended what stands behind it.
    let is_plain = !value.contains(['\\', '<', '@', '{', '}']) && !value.contains("/*");
    let is_ended = ['"', '\''].iter().all(|quote| value.matches(*quote).count() % 2 == 0);
    let calls_listed = |(at, _): (usize, &str)| {
        let before = value[..at].rsplit(|c: char| !c.is_ascii_alphanumeric() && c != '-').next();
        listed(FUNCTIONS, &before.unwrap_or_default().to_ascii_lowercase()).is_some()
    };
    is_name
        && listed(REFUSED, &property).is_none()
        && is_plain
        && is_ended
        && value.match_indices('(').all(calls_listed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_looks_like_something_stays() {
        let link = "target=\"_blank\" rel=\"noopener noreferrer\"";
        for (html, wanted) in [
            (
                "<H1 ALIGN=center>a &amp; &lt;b&gt;</H1>",
                "<h1 align=\"center\">a &amp; &lt;b&gt;</h1>".to_owned(),
            ),
            ("1 < 2 > 1<br/>", "1 &lt; 2 > 1<br>".to_owned()),
            (
                "<a href='https://x.example/?a=1&amp;b=2'>see</a>",
                format!("<a href=\"https://x.example/?a=1&amp;b=2\" {link}>see</a>"),
            ),
            (
                "<img src=\"https://x.example/p.png\" alt='\"p\"'><img src=cid:p.png alt=p>",
                "<img src=\"https://x.example/p.png\" referrerpolicy=\"no-referrer\" alt=\"&quot;p&quot;\">\
                 <img alt=\"p\">"
                    .to_owned(),
            ),
            (
                "<p style=\"color:RGB(1, 2, 3); font-family:'A B',serif\">a</p>",
                "<p style=\"color:RGB(1, 2, 3);font-family:&#39;A B&#39;,serif\">a</p>".to_owned(),
            ),
            (
                "<!doctype html><html><head><title>t</title><style>p{}</style></head><body bgcolor=red>a</body></html>",
                "<div bgcolor=\"red\">a</div>".to_owned(),
            ),
            ("<head><meta charset=utf-8><p>a", "<p>a".to_owned()),
        ] {
            assert_eq!(safe_html(html), wanted, "{html}");
        }
    }

    #[test]
    fn elements_end_in_order_and_where_they_began() {
        for (html, wanted) in [
            ("<div><b>a", "<div><b>a</b></div>"),
            ("a</div></p>", "a"),
            ("<b><i>a</b></i>", "<b><i>a</i></b>"),
            ("<ul><li>a<li>b<ul><li>c</ul></ul>", "<ul><li>a<li>b<ul><li>c</ul></ul>"),
            ("<p>a<p>b</p></p>", "<p>a<p>b</p>"),
            (
                "<div><table><tr><td>a</div></td></tr></table></div>",
                "<div><table><tr><td>a</td></tr></table></div>",
            ),
            ("<table><tr><td>a<td>b<tr><td>c</table>", "<table><tr><td>a<td>b<tr><td>c</table>"),
        ] {
            assert_eq!(safe_html(html), wanted, "{html}");
        }
        let deep = safe_html(&format!("{}a", "<div>".repeat(50_000)));
        assert_eq!((deep.matches("<div>").count(), deep.matches("</div>").count()), (MAX_DEPTH, MAX_DEPTH));
        let long = safe_html(&"<p>a".repeat(1_000));
        assert_eq!(long.matches("<p>").count(), 1_000, "what ends by itself is not nested");
    }

    #[test]
    fn what_acts_is_gone() {
        for html in [
            "<script>alert(1)</script>",
            "<SCRIPT SRC=https://x.example/a.js></SCRIPT>",
            "<scr<script>ipt>alert(1)</scr</script>ipt>",
            "<img src=x onerror=alert(1)>",
            "<img/src=x/onerror=alert(1)>",
            "<p onclick='x' ONMOUSEOVER=\"x\" id=a class=b data-x=c>a</p>",
            "<a href=\"java\tscript:alert(1)\">a</a>",
            "<a href=\"&#106;avascript&colon;alert(1)\">a</a>",
            "<a href=\"&#106avascript:alert(1)\">a</a>",
            "<a href=data:text/html,x>a</a><a href=vbscript:x>b</a>",
            "<form action=https://x.example><input name=a><button formaction=javascript:x>b</button></form>",
            "<iframe src=https://x.example srcdoc='<script>x</script>'></iframe>",
            "<object data=x><embed src=x></object><applet code=x></applet>",
            "<svg><script>x</script><a xlink:href='javascript:x'>y</a></svg>",
            "<math><mi><style><img title='</style><img src=x onerror=alert(1)>'></style></mi></math>",
            "<noscript><p title='</noscript><img src=x onerror=alert(1)>'></noscript>",
            "<textarea><p title='</textarea><img src=x onerror=alert(1)>'>",
            "<!--><img src=x onerror=alert(1)>-->",
            "<!-- --!><img src=x onerror=alert(1)> -->",
            "<![CDATA[<img src=x onerror=alert(1)>]]>",
            "<p title=\"'><script>x</script>\" title='\"><img src=x onerror=y>'>",
            "<p style=\"background:url(https://x.example/p.png)\">a</p>",
            "<p style=\"background:u\\72l(x);width:expr/**/ession(x);-moz-binding:url(x);position:fixed\">a</p>",
            "<p style=\"background:image-set('https://x.example/p.png' 1x)\" background=https://x.example/p.png>a</p>",
            "<link rel=stylesheet href=x><meta http-equiv=refresh content='0;url=x'><base href=//x.example>",
            "<style>@import 'x'</style><body background=x onload=x>",
            "<p\0onclick=x><\0script>x</script>",
            "<plaintext><img src=x onerror=alert(1)>",
            "<img src=\"x` `<script>x</script>\"` `>",
        ] {
            let safe = safe_html(html);
            for piece in pieces(&safe, &[]) {
                match piece {
                    Piece::Text(text) => assert!(!text.contains('<'), "{safe}"),
                    Piece::Tag(tag) => assert!(is_safe(tag), "{:?} of {html}", tag.source()),
                    Piece::Silent(_) => panic!("a comment in {safe}"),
                }
            }
        }
    }

    /// Whether a tag is one of those that are written, with nothing in it that acts.
    fn is_safe(tag: Tag<'_>) -> bool {
        let name = tag.name();
        let is_known = listed(ELEMENTS, &name).is_some() && name != "body";
        let added = |name: &str| ["target", "rel", "referrerpolicy"].contains(&name);
        let attributes = if tag.closes() { Vec::new() } else { tag.attributes() };
        is_known
            && attributes.iter().all(|attribute| {
                let value = &tag.source()[attribute.value.clone()];
                let is_harmless = match attribute.name {
                    "href" | "src" => is_page(value),
                    "style" => !value.contains("url") && !value.contains("position"),
                    name => added(name) || listed(ATTRIBUTES, name).is_some(),
                };
                attribute.quoted && is_harmless
            })
    }
}
