//! Archives that something happened to.

use proptest::prelude::*;

use super::*;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn whatever_becomes_of_an_archive_it_is_taken_or_refused(
        hits in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>(), any::<bool>()), 1..6),
        cut in proptest::option::weighted(0.2, any::<prop::sample::Index>()),
    ) {
        let dir = tempfile::tempdir().expect("a directory");
        let mut archive = tar(&good(dir.path()));
        for (at, byte, mends) in hits {
            let at = at.index(archive.len());
            archive[at] = byte;
            if mends {
                // So that what lies behind the checksum is met as well.
                mend(&mut archive, at);
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
    fn whatever_a_bundle_begins_with_it_is_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        // No panic is all that is asked.
        let _ = Refs::read(&mut bytes.as_slice());
        let with_head = [b"# v2 git bundle\n".as_slice(), &bytes].concat();
        let _ = Refs::read(&mut with_head.as_slice());
        let with_head = [b"PACK\0\0\0\x02\0\0\0\x09".as_slice(), &bytes].concat();
        let _ = pack::survey(&mut with_head.as_slice(), 400);
    }
}

/// Makes the checksum right again of the block that a byte is in, if that is a header.
fn mend(archive: &mut [u8], at: usize) {
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
