//! The file that crashes.

use orrery_sim::runtime::SplitMix;
use orrery_tests::sim::disk::CrashFile;
use redb::StorageBackend as _;

#[test]
fn a_crash_keeps_what_was_synced_and_any_part_of_the_rest() {
    let (mut lost, mut torn, mut kept) = (0, 0, 0);
    for seed in 0..300 {
        let file = CrashFile::new();
        let open = file.open();
        open.set_len(4096).unwrap();
        open.write(0, &[1; 4096]).unwrap();
        open.sync_data().unwrap();
        file.complete_syncs();
        open.write(0, &[2; 2048]).unwrap();
        open.sync_data().unwrap();
        open.write(2048, &[3; 2048]).unwrap();
        file.crash(&mut SplitMix::new(seed, 0));
        assert!(open.write(0, &[4]).is_err(), "a dead process writes nothing");
        let open = file.open();
        let mut now = [0; 4096];
        open.read(0, &mut now).unwrap();
        let second = now[..2048].iter().filter(|byte| **byte == 2).count();
        let third = now[2048..].iter().filter(|byte| **byte == 3).count();
        assert!(third == 0 || second == 2048, "a sync is a barrier");
        assert_eq!(now[..2048].iter().filter(|byte| **byte == 1).count(), 2048 - second);
        match second {
            0 => lost += 1,
            2048 => kept += 1,
            _ => torn += 1,
        }
    }
    assert!(lost > 20 && torn > 20 && kept > 20, "lost {lost}, torn {torn}, kept {kept}");
}
