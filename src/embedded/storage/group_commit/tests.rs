use std::path::Path;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use super::*;
use crate::embedded::storage::Store;
use crate::embedded::{Durability, ScopeKey};

type TestResult = Result<(), Box<dyn std::error::Error>>;

async fn open(dir: &Path) -> Result<Store, Box<dyn std::error::Error>> {
    let (store, _) = Store::open(&dir.join("switchboard.db"), Durability::Unsynced).await?;
    Ok(store)
}

async fn insert(guard: &mut WriterGuard, id: &str) -> StorageResult {
    let query = sqlx::query("INSERT INTO scope (id) VALUES (?)").bind(id);
    query.execute(guard.change().await?).await?;
    Ok(())
}

async fn write(store: &Store, id: &str) -> StorageResult {
    let mut guard = store.writes.acquire().await?;
    insert(&mut guard, id).await?;
    guard.commit(Vec::new()).await
}

async fn stored(store: &Store) -> StorageResult<Vec<String>> {
    let mut session = store.read(ScopeKey::DEPLOYMENT).await?;
    let query = sqlx::query_scalar("SELECT id FROM scope WHERE num > 0 ORDER BY num");
    Ok(query.fetch_all(session.reading().0).await?)
}

#[tokio::test]
async fn waiting_writes_share_a_commit_and_one_that_gives_up_rolls_back_only_itself() -> TestResult {
    let dir = tempfile::tempdir()?;
    let store = open(dir.path()).await?;
    let mut first = store.writes.acquire().await?;
    insert(&mut first, "a").await?;
    let given_up = async {
        let mut guard = store.writes.acquire().await?;
        insert(&mut guard, "b").await
    };
    let second = async {
        let mut guard = store.writes.acquire().await?;
        // The first write is done, but not committed: the second had queued before it could be.
        assert_eq!(stored(&store).await?, [""; 0]);
        insert(&mut guard, "c").await?;
        guard.commit(Vec::new()).await
    };
    let (mut given_up, mut second) = (std::pin::pin!(given_up), std::pin::pin!(second));
    // Both queue while the first has the connection.
    let mut context = Context::from_waker(Waker::noop());
    assert!(matches!(given_up.as_mut().poll(&mut context), Poll::Pending));
    assert!(matches!(second.as_mut().poll(&mut context), Poll::Pending));
    let (first, given_up, second) = tokio::join!(first.commit(Vec::new()), given_up, second);
    first.and(given_up).and(second)?;
    assert_eq!(stored(&store).await?, ["a", "c"]);
    Ok(())
}

#[tokio::test]
async fn a_full_disk_fails_the_uncommitted_writes_and_no_others() -> TestResult {
    let dir = tempfile::tempdir()?;
    let store = open(dir.path()).await?;
    let limit = async |pages: &str| {
        let mut guard = store.writes.acquire().await?;
        let pragma = sqlx::AssertSqlSafe(format!("PRAGMA max_page_count = {pages}"));
        sqlx::raw_sql(pragma).execute(guard.connection()).await?;
        Ok::<_, StorageError>(())
    };
    limit("1").await?; // SQLite raises it to the present size.
    let long = "x".repeat(3000);
    let mut committed = Vec::new();
    let failed = loop {
        let id = format!("{}{long}", committed.len());
        match write(&store, &id).await {
            Ok(()) => committed.push(id),
            Err(error) => break error,
        }
    };
    assert!(
        matches!(failed, StorageError::Sql(_) | StorageError::Commit(_)),
        "{failed}"
    );
    assert_eq!(stored(&store).await?, committed);
    limit("1000000").await?;
    write(&store, "room again").await?;
    committed.push("room again".to_owned());
    assert_eq!(stored(&store).await?, committed);
    Ok(())
}

/// A write that is done and not committed, and a guard that reads it.
async fn read_uncommitted<'a>(
    store: &'a Store,
) -> Result<(Pin<Box<dyn Future<Output = StorageResult> + 'a>>, WriterGuard), StorageError> {
    let mut first = store.writes.acquire().await?;
    insert(&mut first, "a").await?;
    let mut second = std::pin::pin!(store.writes.acquire());
    // In the queue before the first can come to its second turn.
    assert!(
        second
            .as_mut()
            .poll(&mut Context::from_waker(Waker::noop()))
            .is_pending()
    );
    let mut first = Box::pin(first.commit(Vec::new()));
    let second = tokio::select! {
        biased;
        _ = &mut first => panic!("it committed before its second turn"),
        second = second => second?,
    };
    Ok((first, second))
}

async fn ids(mut guard: WriterGuard) -> Result<Vec<String>, sqlx::Error> {
    let query = sqlx::query_scalar("SELECT id FROM scope WHERE num > 0 ORDER BY num");
    query.fetch_all(guard.connection()).await
}

#[tokio::test]
async fn an_answer_waits_until_what_it_was_read_from_is_committed() -> TestResult {
    let dir = tempfile::tempdir()?;
    let store = open(dir.path()).await?;
    let (first, guard) = read_uncommitted(&store).await?;
    let mut answer = Box::pin(store.after_commit(ids(guard)));
    let waited = tokio::time::timeout(std::time::Duration::from_millis(50), &mut answer).await;
    assert!(waited.is_err(), "nothing is committed, so there is no answer yet");
    assert_eq!(stored(&store).await?, [""; 0]);
    let (first, answer) = tokio::join!(first, answer);
    first?;
    assert_eq!(answer??, ["a"]);
    assert_eq!(stored(&store).await?, ["a"]);

    let guard = store.writes.acquire().await?;
    assert_eq!(store.after_commit(ids(guard)).await??, ["a"], "nothing to wait for");
    assert!(
        !store.writes.connection.lock().await.is_open,
        "an idle server holds no lock"
    );
    Ok(())
}

#[tokio::test]
async fn a_rollback_by_sqlite_itself_is_reported_to_every_write_of_the_batch() -> TestResult {
    let dir = tempfile::tempdir()?;
    let store = open(dir.path()).await?;
    let (first, mut guard) = read_uncommitted(&store).await?;
    sqlx::raw_sql("ROLLBACK").execute(guard.connection()).await?;
    let mut third = std::pin::pin!(write(&store, "c"));
    let answer = store.after_commit(ids(guard));
    let (first, answer, third) = tokio::join!(first, answer, &mut third);
    assert!(matches!(first, Err(StorageError::Commit(_))), "{first:?}");
    assert!(matches!(answer, Err(StorageError::Commit(_))), "{answer:?}");
    let committed: &[&str] = if third.is_ok() { &["c"] } else { &[] };
    assert_eq!(stored(&store).await?, committed);
    write(&store, "d").await?;
    assert!(stored(&store).await?.contains(&"d".to_owned()), "later writes work");
    Ok(())
}
