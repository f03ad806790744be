use super::*;
use crate::{
    back_pressure::collect::{VERDICTS, place},
    collect::tests::Told,
};

#[tokio::test(start_paused = true)]
async fn it_tells_the_verdict_and_how_far_it_moved() {
    let scene = Scene::new();
    let handle = scene.service.handle();
    let told = Told::by(&handle);
    assert_eq!(told.states("back_pressure_verdict"), ["none"]);
    assert_eq!(told.get("back_pressure_windows"), 0.0);
    assert_eq!(told.get("back_pressure_factor_ratio"), 1.0);
    assert_eq!(told.get("back_pressure_capacity"), 40.0);

    scene.calls(10, well()).await;
    scene.calls(10, broken()).await;
    scene.close().await;
    let told = Told::by(&handle);
    assert_eq!(told.states("back_pressure_verdict"), ["shrink_for_errors"]);
    assert_eq!(told.get("back_pressure_windows"), 1.0);
    assert_eq!(told.get("back_pressure_window_calls"), 20.0);
    assert_eq!(told.get("back_pressure_error_ratio"), 0.5);
    assert_eq!(told.get("back_pressure_factor_ratio"), 0.75);
    assert_eq!(told.get("back_pressure_capacity"), 30.0);
    assert_eq!(told.get("back_pressure_rate"), 40.0);

    handle.pause();
    scene.close().await;
    let told = Told::by(&handle);
    assert_eq!(told.states("back_pressure_verdict"), ["paused"]);
    assert_eq!(told.get("back_pressure_paused"), 1.0);
    assert_eq!(told.get("back_pressure_factor_ratio"), 1.0, "nothing moved");
}

/// The place of each verdict is that of its serialised name.
#[test]
fn every_verdict_has_its_name() {
    for verdict in [
        Verdict::ShrinkForErrors,
        Verdict::ShrinkForLatency,
        Verdict::Grow,
        Verdict::Hold,
        Verdict::TooFew,
        Verdict::Paused,
    ] {
        let name = serde_json::to_value(verdict).unwrap();
        assert_eq!(name, VERDICTS[place(verdict)]);
    }
}
