//! The planted bugs that `scripts/planted-bugs` shows to be found still fit the
//! sources.

use std::{fs, path::Path};

#[test]
fn planted_bugs_fit_the_sources() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut count = 0;
    for entry in fs::read_dir(root.join("tests/core/planted")).unwrap() {
        let path = entry.unwrap().path();
        let patch = fs::read_to_string(&path).unwrap();
        let file = patch.lines().find_map(|line| line.strip_prefix("--- a/")).expect("a file");
        let source = fs::read_to_string(root.join(file)).unwrap();
        let hunk = patch.lines().skip_while(|line| !line.starts_with("@@")).skip(1);
        let before = hunk.filter(|line| !line.starts_with('+')).map(|line| line.get(1..).unwrap_or(""));
        let before = before.collect::<Vec<_>>().join("\n");
        assert!(source.contains(before.trim_end()), "{} does not fit {file}", path.display());
        count += 1;
    }
    assert!(count >= 16, "{count} planted bugs");
}
