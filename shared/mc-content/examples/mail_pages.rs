//! Writes mails as pages, for a browser to look at: `mail_pages FOLDER`.

use std::path::Path;

use mc_content::dialect;
use mc_core::model::{Button, Content, Fact, Format, Level};

fn main() -> Result<(), String> {
    let folder = std::env::args().nth(1).ok_or("name the folder to write to")?;
    for (name, content) in mails() {
        let dialect::Email { mut html, mut text } = dialect::email(&content);
        dialect::add_unsubscribe(&mut html, &mut text, "https://mc.example.com/v1/unsubscribe?t=dGVzdA");
        for (ending, written) in [("html", html), ("txt", text)] {
            let path = Path::new(&folder).join(format!("{name}.{ending}"));
            std::fs::write(&path, written).map_err(|error| format!("{}: {error}", path.display()))?;
        }
    }
    Ok(())
}

fn mails() -> [(&'static str, Content); 9] {
    [
        (
            "small",
            Content::new("Your code", Format::Text, "Your code is 482913.\n\nIt is good for five minutes."),
        ),
        ("chinese", chinese()),
        ("english", english()),
        ("arabic", arabic()),
        ("long", long()),
        ("levels", levels()),
        ("own-html", own_html()),
        ("own-colors", own_colors()),
        ("own-document", own_document()),
    ]
}

fn fact(label: &str, value: &str) -> Fact {
    Fact { label: label.to_owned(), value: value.to_owned() }
}

fn chinese() -> Content {
    let body = "# 支付服务发布失败\n\n\
        **pay-gateway** 在 `prod-shanghai-3` 上的发布没有通过健康检查,已经*自动回滚*到上一个版本。请值班同学尽快查看日志,确认数据库连接数是否正常。\n\n\
        ## 受影响的实例\n\n\
        | 实例 | 状态 | 响应时间 |\n|---|:---:|---:|\n| prod-shanghai-1 | 正常 | 32 ms |\n| prod-shanghai-2 | 正常 | 35 ms |\n| prod-shanghai-3 | **失败** | 超时 |\n\n\
        > 健康检查在 60 秒内没有得到回应。\n> 上一次成功的发布是昨天 18:30。\n\n\
        ### 下一步\n\n1. 查看[发布日志](https://ci.example.com/pay/1842)\n2. 确认连接池的大小\n   - 现在是 50\n   - 建议不超过 200\n3. 修复以后重新发布\n\n\
        - [x] 已回滚\n- [ ] 已通知业务方\n\n\
        ```sh\nkubectl -n pay rollout status deploy/pay-gateway --timeout=60s\nerror: deployment \"pay-gateway\" exceeded its progress deadline\n```\n\n---\n\n如有疑问,请回复此邮件。";
    Content {
        level: Some(Level::Danger),
        facts: vec![
            fact("应用", "pay-gateway"),
            fact("环境", "生产(上海)"),
            fact("版本", "v2.18.0 → v2.17.4"),
            fact("负责人", "值班工程师\n支付组"),
        ],
        buttons: vec![
            Button::link("查看详情", "https://ci.example.com/pay/1842"),
            Button::link("打开监控", "https://grafana.example.com/d/pay"),
            Button::link("确认已知", "https://mc.example.com/ack"),
        ],
        image: Some("https://img.example.com/wide.png".to_owned()),
        url: Some("https://ci.example.com/pay/1842?from=mail&tab=log".to_owned()),
        ..Content::new("支付服务发布失败", Format::Markdown, body)
    }
}

fn english() -> Content {
    let body = "The nightly backup of **orders** finished in 14 minutes.\n\n\
        ## What was kept\n\n| Table | Rows | Size |\n|---|---:|---:|\n| orders | 18,204,113 | 4.1 GB |\n| order_items | 61,880,021 | 9.7 GB |\n\n\
        Restores are tested on *Sundays*; the last one took `38 min`.\n\n![chart](https://img.example.com/wide.png)\n";
    Content {
        level: Some(Level::Success),
        facts: vec![fact("Database", "orders (PostgreSQL 17)"), fact("Kept for", "35 days")],
        buttons: vec![Button::link("Open the report", "https://backup.example.com/r/991")],
        ..Content::new("Backup finished: orders", Format::Markdown, body)
    }
}

/// Read from the right, with code and addresses that are read from the left.
fn arabic() -> Content {
    let body = "اكتمل نشر **pay-gateway** دون أخطاء.\n\n> لا حاجة إلى أي إجراء.\n\n- الخادم الأول\n- الخادم الثاني\n\n\
        | الخادم | الحالة |\n|---|---|\n| prod-1 | يعمل |\n\n```sh\nkubectl rollout status deploy/pay-gateway\n```\n";
    Content {
        level: Some(Level::Success),
        facts: vec![fact("التطبيق", "pay-gateway"), fact("البيئة", "الإنتاج")],
        buttons: vec![
            Button::link("عرض التفاصيل", "https://ci.example.com/pay/1842"),
            Button::link("فتح المراقبة", "https://grafana.example.com/d/pay"),
        ],
        url: Some("https://ci.example.com/pay/".to_owned()),
        ..Content::new("اكتمل النشر", Format::Markdown, body)
    }
}

/// Everything that could make a page wider than the phone.
fn long() -> Content {
    let word = "Donaudampfschifffahrtselektrizitaetenhauptbetriebswerkbauunterbeamtengesellschaft";
    let url =
        format!("https://logs.example.com/{}?trace={}", "segment/".repeat(12), "0123456789abcdef".repeat(8));
    let columns = 9;
    let row = |cell: &str| format!("|{}\n", format!(" {cell} |").repeat(columns));
    let table = format!("{}{}{}{}", row("Metrik 指标"), row("---"), row("0.123456789"), row("正常运行中"));
    let two = format!("| key | value |\n|---|---|\n| trace | {url} |\n| 名称 | {word} |\n");
    let body = format!(
        "{word}\n\n{url}\n\n`{}`\n\n```\n{}\n    indented line of code\n```\n\n{table}\n{two}\n\
         > {url}\n\n1. {word}\n2. {}\n\n{}\n",
        "x".repeat(150),
        "let line = \"".to_owned() + &"code ".repeat(40) + "\"; // " + &"y".repeat(90),
        "很长的中文没有任何空格".repeat(12),
        "- a\n  - b\n    - c\n      - d\n        - e\n          - deeply nested words that wrap and wrap again",
    );
    Content {
        level: Some(Level::Warning),
        facts: vec![
            fact("A label that is longer than its column would like", &url),
            fact(&"标签".repeat(12), &"0".repeat(120)),
        ],
        buttons: vec![
            Button::link(format!("A button with a very long label {word}"), "https://x.example/1"),
            Button::link(
                "这是一个文字特别特别长的按钮,用来看看它在手机上会不会换行显示",
                "https://x.example/2",
            ),
        ],
        url: Some(url),
        ..Content::new(format!("{word} {word}"), Format::Markdown, body)
    }
}

fn levels() -> Content {
    Content {
        level: Some(Level::Info),
        buttons: vec![
            Button::link("Open", "https://x.example"),
            Button::link("Later", "https://x.example/2"),
        ],
        facts: vec![fact("Only", "one")],
        ..Content::new(
            "",
            Format::Markdown,
            "##### Small heading\n\nText after it.\n\n- one\n\n  two paragraphs\n- two\n",
        )
    }
}

fn own_html() -> Content {
    let cells = "<td>a wide cell of the author's</td>".repeat(12);
    let body = format!(
        "<h2>Report</h2><p>A <a href=\"https://x.example\">link</a>.</p>\
         <table width=\"1400\" border=\"1\"><tr>{cells}</tr></table><img src=\"https://img.example.com/wide.png\">"
    );
    Content { level: Some(Level::Info), ..Content::new("The author's own HTML", Format::Html, body) }
}

fn own_colors() -> Content {
    let body = "<p style=\"color:#111111;background:#fff7ed;padding:12px\">Dark words on a ground that is always light.</p>";
    Content {
        facts: vec![fact("Scheme", "light, also in the dark")],
        buttons: vec![
            Button::link("Open", "https://x.example"),
            Button::link("Later", "https://x.example/2"),
        ],
        ..Content::new("Colours of its own", Format::Html, body)
    }
}

fn own_document() -> Content {
    let body = "<!doctype html><html><head><meta name=\"viewport\" content=\"width=device-width\"></head>\
        <body style=\"font-family:sans-serif;color:#222222;background:#ffffff\"><p>A document with a frame of its own.</p></body></html>";
    Content {
        facts: vec![fact("App", "pay"), fact("Trace", &"0123456789abcdef".repeat(8))],
        buttons: vec![Button::link("Open", "https://x.example")],
        ..Content::new("Own document", Format::Html, body)
    }
}
