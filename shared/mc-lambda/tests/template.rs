//! `template.yaml` against the code: rights against ports, alarms against metrics, routes against the API's table.
//!
//! CloudFormation's tags are read past: `!Ref Table` is the text `Table`, `!If [A, b, c]` a list of three.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

use std::collections::BTreeSet;

use mc_core::ports::Family;
use mc_lambda::meters::{ALARMS_FIRING, COUNTED, CRASH_LOOPS, Dimensions, NAMESPACE, QUOTA_LEFT, TIMED};
use mc_lambda::role::{Port, Role};
use serde_json::Value;

/// An action and what it is allowed on.
type Right = (String, String);

fn file(name: &str) -> String {
    std::fs::read_to_string(format!("{}/../../{name}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

fn template() -> Value {
    serde_saphyr::from_str(&file("template.yaml")).unwrap()
}

fn of_type<'t>(template: &'t Value, wanted: &str) -> Vec<(&'t String, &'t Value)> {
    let resources = template["Resources"].as_object().unwrap();
    resources.iter().filter(|(_, r)| r["Type"] == wanted).map(|(name, r)| (name, &r["Properties"])).collect()
}

/// What stands there under whatever condition: the first branch of an `!If`.
fn chosen(value: &Value) -> &Value {
    match value.as_array().map(Vec::as_slice) {
        Some([Value::String(_), then, _]) if !then.is_string() || then != "AWS::NoValue" => then,
        _ => value,
    }
}

fn texts(value: &Value) -> Vec<&str> {
    match value {
        Value::Array(list) => list.iter().map(|text| text.as_str().unwrap()).collect(),
        text => vec![text.as_str().unwrap()],
    }
}

fn rights_of(document: &Value) -> BTreeSet<Right> {
    let mut rights = BTreeSet::new();
    for statement in document["Statement"].as_array().unwrap() {
        let statement = chosen(statement);
        assert_eq!(statement["Effect"], "Allow", "{statement}");
        for action in texts(&statement["Action"]) {
            for resource in texts(&statement["Resource"]) {
                rights.insert((action.to_owned(), resource.to_owned()));
            }
        }
    }
    rights
}

/// The name of a function among the resources.
fn resource_of(role: Role) -> String {
    let capital = |word: &str| format!("{}{}", word[..1].to_uppercase(), &word[1..]);
    role.as_str().split('-').map(capital).collect()
}

/// Everything a function may do.
fn rights(template: &Value, role: Role) -> BTreeSet<Right> {
    let own = &template["Resources"][format!("{}Role", resource_of(role))]["Properties"];
    let mut all = BTreeSet::new();
    for policy in own["ManagedPolicyArns"].as_array().unwrap() {
        let name = chosen(policy).as_str().unwrap();
        all.extend(rights_of(&template["Resources"][name]["Properties"]["PolicyDocument"]));
    }
    for policy in own["Policies"].as_array().unwrap() {
        all.extend(rights_of(&policy["PolicyDocument"]));
    }
    all
}

fn queue(family: Family, what: &str) -> String {
    let name = family.as_str();
    format!("{}{}{what}.Arn", name[..1].to_uppercase(), &name[1..])
}

fn every(actions: &[&str], resources: &[String]) -> Vec<Right> {
    let on = |action: &str| resources.iter().map(move |r| (action.to_owned(), r.clone())).collect::<Vec<_>>();
    actions.iter().flat_map(|action| on(action)).collect()
}

fn files(of: &str) -> [String; 1] {
    [format!("${{Attachments.Arn}}/{of}")]
}

/// What a port asks of AWS.
fn asked(role: Role, port: Port) -> Vec<Right> {
    let one = |name: &str| [name.to_owned()];
    let dead = Family::ALL.map(|family| queue(family, "DeadLetters"));
    match port {
        Port::Store => {
            let actions = [
                "dynamodb:GetItem",
                "dynamodb:BatchGetItem",
                "dynamodb:Query",
                "dynamodb:PutItem",
                "dynamodb:UpdateItem",
                "dynamodb:DeleteItem",
                "dynamodb:BatchWriteItem",
            ];
            let mut rights = every(&actions, &one("Table.Arn"));
            rights.extend(every(&["s3:GetObject", "s3:PutObject"], &files("overflow/*")));
            rights
        }
        Port::KeyRing => every(&["secretsmanager:GetSecretValue"], &one("KeyRing")),
        Port::Queue => every(&["sqs:SendMessage"], &Family::ALL.map(|family| queue(family, "Queue"))),
        Port::Work => {
            let actions = [
                "sqs:ReceiveMessage",
                "sqs:DeleteMessage",
                "sqs:ChangeMessageVisibility",
                "sqs:GetQueueAttributes",
            ];
            every(&actions, &[queue(role.family().unwrap(), "Queue")])
        }
        Port::Depths => every(&["sqs:GetQueueAttributes"], &dead),
        Port::Redrive => every(&["sqs:ReceiveMessage", "sqs:DeleteMessage"], &dead),
        Port::ReadFiles => every(&["s3:GetObject"], &files("*")),
        Port::WriteFiles => every(&["s3:PutObject"], &files("*")),
        Port::ForgetFiles => {
            let mut rights = every(&["s3:ListBucket"], &one("Attachments.Arn"));
            rights.extend(every(&["s3:DeleteObject"], &files("*")));
            rights
        }
        Port::Mail => {
            let ses = "arn:${AWS::Partition}:ses:${AWS::Region}:${AWS::AccountId}";
            let resources = [
                format!("{ses}:identity/${{SesIdentity}}"),
                format!("{ses}:configuration-set/${{Feedback}}"),
            ];
            every(&["ses:SendEmail", "ses:SendRawEmail"], &resources)
        }
        Port::MailQuota => every(&["ses:GetAccount"], &one("*")),
        Port::FirstSecrets => every(
            &["secretsmanager:GetSecretValue"],
            &["OperatorSecret".to_owned(), "AccessKeySecret".to_owned()],
        ),
        Port::DeadEvents => every(&["sqs:SendMessage"], &one("EventDeadLetters.Arn")),
    }
}

/// Actions that know no resources, so that `*` is as narrow as it gets.
const WITHOUT_RESOURCES: [&str; 9] = [
    "xray:PutTraceSegments",
    "xray:PutTelemetryRecords",
    "ec2:CreateNetworkInterface",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeSubnets",
    "ec2:DeleteNetworkInterface",
    "ec2:AssignPrivateIpAddresses",
    "ec2:UnassignPrivateIpAddresses",
    "ses:GetAccount",
];

#[test]
fn a_function_may_do_what_its_ports_need_and_no_more() {
    let template = template();
    for role in Role::ALL {
        let name = resource_of(role);
        let function = &template["Resources"][&name]["Properties"];
        assert_eq!(function["CodeUri"], format!("target/lambda/{}/", role.as_str()));
        assert_eq!(function["Role"], format!("{name}Role.Arn"));
        let log = [format!("{name}Log.Arn")];
        let mut wanted: BTreeSet<Right> =
            every(&["logs:CreateLogStream", "logs:PutLogEvents"], &log).into_iter().collect();
        wanted.extend(role.ports().iter().flat_map(|port| asked(role, *port)));
        let anywhere = |of: &str| {
            let actions: Vec<&str> =
                WITHOUT_RESOURCES.into_iter().filter(|action| action.starts_with(of)).collect();
            every(&actions, &["*".to_owned()])
        };
        wanted.extend(anywhere("xray:"));
        if function.get("VpcConfig").is_some() {
            wanted.extend(anywhere("ec2:"));
        }
        let given = rights(&template, role);
        let too_much: Vec<_> = given.difference(&wanted).collect();
        let too_little: Vec<_> = wanted.difference(&given).collect();
        assert!(
            too_much.is_empty() && too_little.is_empty(),
            "{name}: too much {too_much:#?}, too little {too_little:#?}"
        );
    }
}

#[test]
fn no_right_is_wider_than_it_has_to_be() {
    let template = template();
    for (action, resource) in Role::ALL.into_iter().flat_map(|role| rights(&template, role)) {
        assert!(!action.contains('*'), "{action} on {resource}");
        assert!(resource != "*" || WITHOUT_RESOURCES.contains(&action.as_str()), "{action} on everything");
    }
}

#[test]
fn every_function_of_the_template_is_one_of_ours() {
    let template = template();
    let named: BTreeSet<String> =
        of_type(&template, "AWS::Serverless::Function").into_iter().map(|(name, _)| name.clone()).collect();
    assert_eq!(named, Role::ALL.map(resource_of).into_iter().collect());
}

/// Metrics of AWS that alarms and the dashboard look at, with the dimension they are told by.
const OF_AWS: [(&str, &str, &str); 7] = [
    ("AWS/SQS", "ApproximateNumberOfMessagesVisible", "QueueName"),
    ("AWS/SQS", "ApproximateAgeOfOldestMessage", "QueueName"),
    ("AWS/Lambda", "Errors", "FunctionName"),
    ("AWS/DynamoDB", "WriteThrottleEvents", "TableName"),
    ("AWS/ApiGateway", "Count", "ApiId"),
    ("AWS/ApiGateway", "4xx", "ApiId"),
    ("AWS/ApiGateway", "5xx", "ApiId"),
];

/// Whether somebody emits this metric under these dimensions.
fn is_emitted(namespace: &str, metric: &str, dimensions: &[&str]) -> bool {
    if namespace != NAMESPACE {
        return matches!(dimensions, [one] if OF_AWS.contains(&(namespace, metric, *one)));
    }
    let counted = |wanted| COUNTED.iter().any(|c| c.name == metric && c.dimensions == wanted);
    match dimensions {
        ["Stack"] => {
            counted(Dimensions::Stack) || [QUOTA_LEFT.1, CRASH_LOOPS.1, ALARMS_FIRING.1].contains(&metric)
        }
        ["Stack", "Family"] => counted(Dimensions::StackAndFamily) || TIMED.iter().any(|t| t.name == metric),
        ["Stack", "Kind"] => metric == QUOTA_LEFT.1,
        _ => false,
    }
}

#[test]
fn every_alarm_looks_at_a_metric_that_is_emitted_and_is_told_of_in_the_guide() {
    let (template, guide) = (template(), file("docs/OPERATIONS.md"));
    let alarms = of_type(&template, "AWS::CloudWatch::Alarm");
    assert!((1..=15).contains(&alarms.len()), "{} alarms; each costs", alarms.len());
    for (name, alarm) in alarms {
        let text = |field: &str| alarm[field].as_str().unwrap();
        let dimensions: Vec<&str> =
            alarm["Dimensions"].as_array().unwrap().iter().map(|d| d["Name"].as_str().unwrap()).collect();
        assert!(
            is_emitted(text("Namespace"), text("MetricName"), &dimensions),
            "{name} looks at nothing: {alarm}"
        );
        assert_eq!(chosen(&alarm["AlarmActions"])[0], "Alarms", "{name} tells nobody");
        let short = text("AlarmName").strip_prefix("${AWS::StackName}-").unwrap();
        // The guide has one entry for all queues.
        let entry =
            if short.starts_with("oldest-") { "`oldest-…`".to_owned() } else { format!("`{short}`") };
        assert!(guide.contains(&entry), "docs/OPERATIONS.md does not say what to do about {short}");
    }
}

#[test]
fn every_metric_of_the_dashboard_is_emitted() {
    let template = template();
    let body = template["Resources"]["Overview"]["Properties"]["DashboardBody"].as_str().unwrap();
    let body: Value = serde_json::from_str(body).unwrap();
    let (mut looked_at, mut before) = (0, Vec::new());
    for metric in body["widgets"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|w| w["properties"]["metrics"].as_array().unwrap())
    {
        if let Some(expression) = metric[0]["expression"].as_str() {
            let (_, rest) = expression.split_once("SEARCH('{").unwrap();
            let (schema, rest) = rest.split_once('}').unwrap();
            let (_, name) = rest.split_once("MetricName=\"").unwrap();
            let parts: Vec<&str> = schema.split(',').collect();
            assert!(is_emitted(parts[0], name.split('"').next().unwrap(), &parts[1..]), "{expression}");
        } else {
            // "." stands for what the line before has in that place, "..." for all that are left away.
            let said: Vec<&str> = texts(metric);
            let full: Vec<&str> = if said[0] == "..." {
                [&before[..before.len() - 1], &said[1..]].concat()
            } else {
                said.iter().enumerate().map(|(n, word)| if *word == "." { before[n] } else { word }).collect()
            };
            assert!(is_emitted(full[0], full[1], &[full[2]]), "{full:?}");
            before = full;
        }
        looked_at += 1;
    }
    assert!(looked_at > 10, "{looked_at}");
}

/// API Gateway's route for what fits no other.
const DEFAULT: &str = "$default";

/// The function that a request reaches: of all routes that fit, API Gateway takes the one with the fewest variables.
fn reached(routes: &[(String, String)], method: &str, path: &str) -> Option<String> {
    let fits = |key: &str| {
        if key == DEFAULT {
            return Some(usize::MAX);
        }
        let (m, pattern) = key.split_once(' ')?;
        if m != "ANY" && m != method {
            return None;
        }
        let (mut parts, mut path) = (pattern.split('/'), path.split('/'));
        let mut variables = usize::from(m == "ANY");
        loop {
            match (parts.next(), path.next()) {
                (None, None) => return Some(variables),
                (Some(part), Some(_)) if part.ends_with("+}") => return Some(variables + 100),
                (Some(part), Some(_)) if part.starts_with('{') => variables += 10,
                (Some(part), Some(other)) if part == other => {}
                _ => return None,
            }
        }
    };
    let fitting = routes.iter().filter_map(|(key, target)| Some((fits(key)?, target)));
    fitting.min_by_key(|(variables, _)| *variables).map(|(_, target)| target.clone())
}

/// The key of each route of API Gateway, and the function behind it.
fn routes(template: &Value) -> Vec<(String, String)> {
    let target = |route: &Value| {
        let integration = route["Target"].as_str().unwrap();
        let integration = integration.trim_start_matches("integrations/${").trim_end_matches('}');
        let uri = template["Resources"][integration]["Properties"]["IntegrationUri"].as_str().unwrap();
        uri.trim_end_matches(".Arn").to_owned()
    };
    of_type(template, "AWS::ApiGatewayV2::Route")
        .into_iter()
        .map(|(_, route)| (route["RouteKey"].as_str().unwrap().to_owned(), target(route)))
        .collect()
}

#[test]
fn every_route_of_the_api_reaches_its_function() {
    let mut routes = routes(&template());
    let keys: BTreeSet<&String> = routes.iter().map(|(key, _)| key).collect();
    assert_eq!(keys.len(), routes.len(), "a route is there twice");
    // Nothing of the API hangs on the route for what fits no other: the access log names what was asked for.
    routes.retain(|(key, _)| key != DEFAULT);
    for route in mc_api::routes::all().filter(|route| route.path != "/metrics") {
        let role = match route.path {
            // It calls the platforms, and so leaves from the address that they know.
            path if path.ends_with("/recall") => Role::Console,
            path if path.starts_with("/v1/messages") => Role::Ingest,
            path if path.starts_with("/v1/callbacks") || path == "/v1/unsubscribe" => Role::Callback,
            _ => Role::Console,
        };
        let found = reached(&routes, route.method.as_str(), route.path);
        assert_eq!(found, Some(resource_of(role)), "{} {}", route.method, route.path);
    }
}

#[test]
fn paths_and_methods_that_are_nobodys_reach_the_console_which_refuses_them() {
    let routes = routes(&template());
    for (method, path) in [
        ("GET", "/"),
        ("GET", "/nothing/here"),
        ("DELETE", "/v1/messages"),
        ("PUT", "/v1/callbacks/default/ops-robot"),
        ("GET", "/v1/quotas/ops-robot"),
    ] {
        assert_eq!(reached(&routes, method, path), Some(resource_of(Role::Console)), "{method} {path}");
    }
}
