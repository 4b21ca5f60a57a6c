//! Archives with random damage.

use proptest::prelude::*;

use super::*;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn a_damaged_archive_is_accepted_or_refused(
        hits in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>(), any::<bool>()), 1..6),
        cut in proptest::option::weighted(0.2, any::<prop::sample::Index>()),
    ) {
        let dir = tempfile::tempdir().expect("a directory");
        let mut archive = tar(&valid_members(dir.path()));
        for (at, byte, fixes_checksum) in hits {
            let at = at.index(archive.len());
            archive[at] = byte;
            if fixes_checksum {
                // So that the checks behind the checksum run as well.
                fix_checksum(&mut archive, at);
            }
        }
        if let Some(cut) = cut {
            archive.truncate(cut.index(archive.len()));
        }
        if let Some((kind, detail)) = refusal(dir.path(), &archive) {
            prop_assert!(matches!(
                kind,
                ErrorType::CheckpointInvalid
                    | ErrorType::UnsupportedCheckpointVersion
                    | ErrorType::SpecVersionMismatch
            ));
            prop_assert!(!detail.is_empty());
        }
    }

    #[test]
    fn any_bundle_header_is_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        // The only requirement is that nothing panics.
        let _ = Refs::read(&mut bytes.as_slice());
        let with_head = [b"# v2 git bundle\n".as_slice(), &bytes].concat();
        let _ = Refs::read(&mut with_head.as_slice());
        let with_head = [b"PACK\0\0\0\x02\0\0\0\x09".as_slice(), &bytes].concat();
        let _ = pack::check_sizes(&mut with_head.as_slice(), 400);
    }
}

/// Recomputes the checksum of the block that contains `at`, if the block is a header.
fn fix_checksum(archive: &mut [u8], at: usize) {
    let begin = at / 512 * 512;
    if let Some(block) = archive.get_mut(begin..begin + 512)
        && block.starts_with(b"top/")
    {
        let mut header = Header::new_old();
        header.as_mut_bytes().copy_from_slice(block);
        header.set_cksum();
        block.copy_from_slice(header.as_bytes());
    }
}
