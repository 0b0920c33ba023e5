//! Every paragraph of `docs/wire.md` that the code cites is there.

use std::path::Path;
use std::{fs, io};

#[test]
fn cited_paragraphs_exist() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let specification = fs::read_to_string(root.join("../../docs/wire.md")).unwrap();
    let mut cited = 0;
    visit(&root.join("src"), &mut |file, source| {
        for citation in source.split("W-").skip(1) {
            let length = citation
                .find(|character: char| !character.is_ascii_digit() && character != '.')
                .unwrap_or(citation.len());
            let number = citation[..length].trim_end_matches('.');
            if number.is_empty() {
                continue;
            }
            let headings = [format!("## W-{number} "), format!("**W-{number}** ")];
            assert!(
                headings
                    .iter()
                    .any(|heading| specification.contains(heading)),
                "{file} cites W-{number}"
            );
            cited += 1;
        }
    })
    .unwrap();
    assert!(cited > 20);
}

fn visit(folder: &Path, look: &mut impl FnMut(&str, &str)) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            visit(&path, look)?;
        } else {
            look(&path.to_string_lossy(), &fs::read_to_string(&path)?);
        }
    }
    Ok(())
}
