//! The account's templates: reading the platform's lists, and finding mistakes in a mapping.

use mc_core::ports::{CheckStep, Keyword, PlatformTemplate};
use serde_json::Value;

use super::mapping::Field;
use super::values::Table;
use crate::reach::{failed, passed};

/// Templates are listed up to this many; an account has 25 at most.
const MOST: usize = 200;

/// Reads `get_all_private_template` (`template_list`) or `newtmpl/gettemplate` (`data`).
pub(super) fn read(table: Table, answer: &Value) -> Vec<PlatformTemplate> {
    let (list, id) = match table {
        Table::Official => ("template_list", "template_id"),
        Table::Mini => ("data", "priTmplId"),
    };
    let items = answer.get(list).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    items.iter().take(MOST).filter_map(|item| template(table, id, item)).collect()
}

fn template(table: Table, id: &str, item: &Value) -> Option<PlatformTemplate> {
    let text = |name: &str| item.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let content = text("content");
    let mut keywords = keywords(table, &content);
    for given in item.get("keywordEnumValueList").and_then(Value::as_array).into_iter().flatten() {
        let code = given.get("keywordCode").and_then(Value::as_str).unwrap_or_default();
        let values = given.get("enumValueList").and_then(Value::as_array).into_iter().flatten();
        if let Some(keyword) = keywords.iter_mut().find(|keyword| keyword.name == code) {
            keyword.values = values.filter_map(Value::as_str).map(str::to_owned).collect();
        }
    }
    let id = text(id);
    (!id.is_empty()).then(|| PlatformTemplate { id, title: text("title"), content, keywords })
}

/// The keywords of a template's lines: `商品:{{thing1.DATA}}` is `thing1` behind the label `商品`.
fn keywords(table: Table, content: &str) -> Vec<Keyword> {
    let mut keywords: Vec<Keyword> = Vec::new();
    for line in content.lines() {
        let mut rest = line;
        while let Some((before, after)) = rest.split_once("{{") {
            let Some((inside, behind)) = after.split_once("}}") else { break };
            rest = behind;
            let Some(name) = inside.trim().strip_suffix(".DATA") else { continue };
            let label = before.trim().trim_end_matches([':', '：']).trim();
            if keywords.iter().all(|known| known.name != name) {
                keywords.push(Keyword {
                    name: name.to_owned(),
                    label: label.to_owned(),
                    longest: table.longest(name),
                    values: Vec::new(),
                });
            }
        }
    }
    keywords
}

/// The steps of a check that look at the chosen template and its mapping.
pub(super) fn steps(
    chosen: Option<&str>,
    fields: &[Field],
    templates: &[PlatformTemplate],
) -> Vec<CheckStep> {
    let Some(chosen) = chosen else {
        return vec![failed("template", "no template is chosen", choose(templates))];
    };
    let Some(template) = templates.iter().find(|template| template.id == chosen) else {
        let detail = format!("the account has no template {chosen}");
        return vec![failed("template", detail, choose(templates))];
    };
    let listed = described(template);
    let mut steps = vec![passed("template", format!("{} has {listed}", template.title))];
    let has = |name: &str| template.keywords.iter().any(|keyword| keyword.name == name);
    let unknown: Vec<String> = fields
        .iter()
        .filter(|field| !has(&field.keyword))
        .map(|field| format!("{} is filled by {} and is not in the template", field.keyword, field.name))
        .collect();
    let unfilled: Vec<String> = template
        .keywords
        .iter()
        .filter(|keyword| fields.iter().all(|field| field.keyword != keyword.name))
        .map(|keyword| format!("{} is filled by nothing", shown(keyword)))
        .collect();
    let problems = [unknown, unfilled].concat();
    steps.push(if problems.is_empty() {
        passed("fields", "every keyword is filled")
    } else {
        failed("fields", problems.join("; "), format!("correct fields: the template has {listed}"))
    });
    steps
}

fn choose(templates: &[PlatformTemplate]) -> String {
    if templates.is_empty() {
        return "add a template to the account on WeChat's page first; the account has none".to_owned();
    }
    let list: Vec<String> = templates
        .iter()
        .map(|template| format!("{} ({}: {})", template.id, template.title, described(template)))
        .collect();
    format!("set platform_template_id and fields to one of: {}", list.join("; "))
}

fn described(template: &PlatformTemplate) -> String {
    template.keywords.iter().map(shown).collect::<Vec<_>>().join(", ")
}

fn shown(keyword: &Keyword) -> String {
    let mut text = keyword.name.clone();
    if !keyword.label.is_empty() {
        text.push_str(&format!(" ({})", keyword.label));
    }
    if !keyword.values.is_empty() {
        text.push_str(&format!(" [{}]", keyword.values.join(" | ")));
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn listed() -> Vec<PlatformTemplate> {
        let answer = json!({"template_list": [
            {"template_id": "t-1", "title": "付款通知", "primary_industry": "", "deputy_industry": "",
             "content": "{{first.DATA}}\n\n商品：{{thing1.DATA}} 共 {{amount2.DATA}}\n时间: {{time3.DATA}}\n", "example": ""},
            {"title": "no id"}, 5,
        ]});
        read(Table::Official, &answer)
    }

    #[test]
    fn keywords_are_read_from_the_lines() {
        let templates = listed();
        assert_eq!(templates.len(), 1);
        let names: Vec<_> =
            templates[0].keywords.iter().map(|k| (k.name.as_str(), k.label.as_str())).collect();
        assert_eq!(names, [("first", ""), ("thing1", "商品"), ("amount2", "共"), ("time3", "时间")]);
        assert_eq!(templates[0].keywords[1].longest, Some(20));
        let mini = json!({"errcode": 0, "data": [{"priTmplId": "p-1", "title": "T", "content": "状态:{{enum1.DATA}}\n",
            "keywordEnumValueList": [{"keywordCode": "enum1", "enumValueList": ["开", "关"]}]}]});
        let templates = read(Table::Mini, &mini);
        assert_eq!(
            (templates[0].id.as_str(), &templates[0].keywords[0].values[..]),
            ("p-1", &["开".to_owned(), "关".to_owned()][..])
        );
        for broken in [
            json!([]),
            json!({"template_list": {}}),
            json!({"template_list": [{"template_id": "x", "content": "{{a{{b.DATA}}{{c"}]}),
        ] {
            read(Table::Official, &broken);
        }
    }

    #[test]
    fn mistakes_in_a_mapping_are_named() {
        let field = |name: &str, keyword: &str| Field { name: name.into(), keyword: keyword.into() };
        let all =
            [field("title", "thing1"), field("text", "first"), field("sum", "amount2"), field("at", "time3")];
        let steps = super::steps(Some("t-1"), &all, &listed());
        assert!(steps.iter().all(|step| step.ok), "{steps:?}");
        let steps = super::steps(Some("t-1"), &[all[0].clone(), field("x", "thing9")], &listed());
        let step = steps.iter().find(|step| !step.ok).unwrap();
        assert!(step.detail.contains("thing9 is filled by x and is not in the template"), "{step:?}");
        assert!(step.detail.contains("time3 (时间) is filled by nothing"), "{step:?}");
        for (chosen, templates) in [(None, listed()), (Some("t-2"), listed()), (None, Vec::new())] {
            let step = super::steps(chosen, &all, &templates).remove(0);
            assert!(!step.ok && step.next_step.is_some(), "{step:?}");
        }
        assert!(super::steps(None, &[], &listed())[0].next_step.as_ref().unwrap().contains("t-1"));
    }
}
