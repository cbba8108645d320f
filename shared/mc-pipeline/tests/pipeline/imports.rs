//! Contacts from a file: what is read, what becomes of each row, and what the log has of it.

use mc_pipeline::accept::Refusal;
use mc_pipeline::people::import::{self, Changed, Report, RowOutcome};
use mc_pipeline::syslog::{self, Entry};
use serde_json::json;

use crate::world::{PROJECT, World, code, pointer};

/// What the log has of a part of an import: the contacts that are new or different.
fn noted(_: &Report, changed: &[Changed]) -> Entry {
    let names: Vec<&str> = changed.iter().map(|contact| contact.id.as_str()).collect();
    Entry { kind: "contacts.import".to_owned(), data: json!(names), ..Entry::default() }
}

#[tokio::test]
async fn no_row_is_lost_in_a_quote_without_a_word() {
    let world = World::quiet().await;
    let read = async |file: &str| import::import(&world.center, PROJECT, file.as_bytes(), Some(&noted)).await;
    let open = read("id,name\nu1,Ann\nu2,\"Bob\nu3,Cy\n").await.unwrap_err();
    assert_eq!((code(&open), pointer(&open).as_str()), ("invalid_csv", ""));
    assert!(format!("{open:?}").contains("a quote opened on line 3 is not closed"), "{open:?}");
    // Here the quote of line 3 ends the one of line 2.
    let report = read("id;name\nu1;\"Ann\nu2;\"Bob\nu3;\"C\"\"y\"\n").await.unwrap();
    let rows: Vec<(u64, RowOutcome)> = report.rows.iter().map(|row| (row.line, row.outcome)).collect();
    assert_eq!(rows, [(2, RowOutcome::Refused), (4, RowOutcome::Created)]);
    assert!(report.rows[0].errors[0].detail.starts_with("on line 3 "), "{:?}", report.rows[0]);
    let cy = world.center.contacts.get(PROJECT, "u3").await.unwrap().unwrap();
    assert_eq!(cy.name.as_deref(), Some("C\"y"));
    // Old spreadsheets end lines with a carriage return alone.
    let report = read("id,opt_outs\ru4,a;b;c\ru5,\"x\"y\ru6,\r").await.unwrap();
    let rows: Vec<(u64, RowOutcome)> = report.rows.iter().map(|row| (row.line, row.outcome)).collect();
    assert_eq!(rows, [(2, RowOutcome::Created), (3, RowOutcome::Refused), (4, RowOutcome::Created)]);
}

#[tokio::test]
async fn a_file_of_contacts_is_judged_row_by_row() {
    let world = World::quiet().await;
    let file = "\
id,name,email,timezone,quiet_hours,opt_outs
u1,Ann,ann@example.com,Asia/Shanghai,22:00-08:00,news alerts
u2,Bob,not an address,,,
a b,Cy,cy@example.com,,,
u1,Again,ann@example.com,,,
u3,Di
u4,Ed,ed@example.com,,nights,
import,Fay,fay@example.com,,,
..,Gus,gus@example.com,,,
";
    let dry = import::import(&world.center, PROJECT, file.as_bytes(), None).await.unwrap();
    assert_eq!(dry.created, 1);
    assert_eq!(world.center.contacts.list(PROJECT, 10, None).await.unwrap().items.len(), 0);
    let report = import::import(&world.center, PROJECT, file.as_bytes(), Some(&noted)).await.unwrap();
    let rows: Vec<(u64, RowOutcome, String)> = report
        .rows
        .iter()
        .map(|r| (r.line, r.outcome, r.errors.first().map(|e| e.pointer.clone()).unwrap_or_default()))
        .collect();
    let refused = |line, pointer: &str| (line, RowOutcome::Refused, pointer.to_owned());
    assert_eq!(
        rows,
        [
            (2, RowOutcome::Created, String::new()),
            refused(3, "/email"),
            refused(4, "/id"),
            refused(5, "/id"),
            refused(6, ""),
            refused(7, "/quiet_hours"),
            refused(8, "/id"),
            refused(9, "/id"),
        ]
    );
    for row in &report.rows[6..] {
        assert_eq!(row.errors[0].detail, format!("{:?} is reserved; give another id", row.id));
    }
    let ann = world.center.contacts.get(PROJECT, "u1").await.unwrap().unwrap();
    assert_eq!(ann.name.as_deref(), Some("Ann"));
    assert_eq!(ann.opt_outs, ["news", "alerts"]);
    let again = import::import(&world.center, PROJECT, file.as_bytes(), Some(&noted)).await.unwrap();
    assert_eq!((again.unchanged, again.refused), (1, 7));
    let phones = "id;mobile\nu1;13800000000\n";
    let report = import::import(&world.center, PROJECT, phones.as_bytes(), Some(&noted)).await.unwrap();
    assert_eq!(report.replaced, 1);
    let ann = world.center.contacts.get(PROJECT, "u1").await.unwrap().unwrap();
    assert_eq!(ann.addresses.email.as_deref(), Some("ann@example.com"), "a field without a column stays");
    assert_eq!(ann.addresses.mobile.as_deref(), Some("13800000000"));
}

#[tokio::test]
async fn what_an_import_changed_before_it_broke_off_is_in_the_log() {
    let world = World::quiet().await;
    let names: Vec<String> = (0..250).map(|n| format!("u{n:03}")).collect();
    let rows: String = names.iter().map(|name| format!("{name},{name}@example.com\n")).collect();
    let file = format!("id,email\n{rows}");
    let import = async || import::import(&world.center, PROJECT, file.as_bytes(), Some(&noted)).await;
    let in_log = async || {
        let filter = syslog::Filter { kind: Some("contacts.import".to_owned()), ..Default::default() };
        let (entries, _) = syslog::list(&world.center, PROJECT, &filter, 50, None).await.unwrap();
        let names = entries.iter().flat_map(|(_, entry)| entry.data.as_array().unwrap());
        let mut names: Vec<String> = names.map(|name| name.as_str().unwrap().to_owned()).collect();
        names.sort();
        names
    };
    world.store.refuse(Some("u150"));
    assert!(matches!(import().await, Err(Refusal::Failed(_))));
    let stored = world.center.contacts.list(PROJECT, 500, None).await.unwrap().items.len();
    assert_eq!((stored, in_log().await), (100, names[..100].to_vec()));
    world.store.refuse(None);
    let report = import().await.unwrap();
    assert_eq!((report.unchanged, report.created), (100, 150));
    assert_eq!(in_log().await, names, "each is there once");
}

#[tokio::test]
async fn a_part_of_an_import_that_changes_nothing_is_in_the_log_once_for_the_file() {
    let world = World::quiet().await;
    let file = |last: &str| {
        let rows: String = (0..300).map(|n| format!("u{n:03},u{n:03}@example.com\n")).collect();
        format!("id,email\n{rows}{last}\n")
    };
    let mut before = 0;
    for (last, wanted) in [
        ("u300,u300@example.com", 4),
        ("u300,u300@example.com", 1),
        ("u300,other@example.com", 2),
        ("u300,nobody", 2),
    ] {
        let file = file(last);
        import::import(&world.center, PROJECT, file.as_bytes(), Some(&noted)).await.unwrap();
        let filter = syslog::Filter { kind: Some("contacts.import".to_owned()), ..Default::default() };
        let (entries, _) = syslog::list(&world.center, PROJECT, &filter, 50, None).await.unwrap();
        assert_eq!(entries.len() - before, wanted, "{last}");
        before = entries.len();
    }
}
