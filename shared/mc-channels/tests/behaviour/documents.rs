//! What `docs/CHANNELS.md` says of each kind is what the code knows of it.

use mc_channels::capability;
use mc_core::model::Kind;
use mc_core::ports::Batching;

const GUIDE: &str = include_str!("../../../../docs/CHANNELS.md");

#[test]
fn the_overview_says_what_the_kinds_can_do() {
    let rows = GUIDE.lines().skip_while(|line| !line.starts_with("| kind | in a call |"));
    let rows: Vec<Vec<&str>> = rows
        .take_while(|line| line.starts_with('|'))
        .map(|line| line.split('|').map(str::trim).skip(1).collect())
        .collect();
    let yes = |able: bool| if able { "yes" } else { "no" }.to_owned();
    for kind in Kind::ALL {
        let quoted = format!("`{}`", kind.as_str());
        let row = rows.iter().find(|row| row[0] == quoted);
        let row = row.unwrap_or_else(|| panic!("{quoted} has no row in the overview"));
        let capability = capability(kind);
        let batching = match capability.batching {
            Batching::Broadcast => "all".to_owned(),
            Batching::Single => "1".to_owned(),
            Batching::UpTo(most) => most.to_string(),
        };
        let repeats =
            capability.dedupe.map_or_else(|| "no".to_owned(), |time| format!("{} min", time.as_secs() / 60));
        let expected = [batching, repeats, yes(capability.receipts), yes(capability.recall)];
        assert_eq!([row[1], row[2], row[4], row[5]], expected.each_ref().map(String::as_str), "{quoted}");
    }
}
