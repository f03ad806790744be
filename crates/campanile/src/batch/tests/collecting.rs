//! When a batch goes, and with whom.

use super::*;

#[tokio::test(start_paused = true)]
async fn smoke() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&seen);
    let service = BatchLayer::new(BatchConfig::default())
        .unwrap()
        .plain()
        .layer(tower::service_fn(move |batch: Vec<u32>| {
            log.lock().unwrap().push(batch.clone());
            async move { Ok::<_, BoxError>(batch.into_iter().map(|n| n * 2).collect::<Vec<_>>()) }
        }));
    let calls = (0..40).map(|n| service.clone().oneshot(n));
    let answers = futures_util::future::join_all(calls).await;
    for (n, answer) in answers.into_iter().enumerate() {
        assert_eq!(answer.unwrap(), n as u32 * 2);
    }
    assert_eq!(seen.lock().unwrap().len(), 2);
}
