//! An upstream for requests with idempotency keys: it counts what it carries out.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use tokio::sync::Semaphore;

use crate::{Bff, Site, client::Call, post};

/// An upstream that takes an order for every request that it sees, and numbers them.
#[derive(Debug)]
pub struct Shop {
    /// The upstream.
    pub bff: Bff,
    orders: Arc<AtomicUsize>,
    answers: Arc<Semaphore>,
}

impl Shop {
    /// A shop that answers each order at once, with 201 and its number.
    pub async fn open() -> Self {
        Self::with_answers(Semaphore::MAX_PERMITS).await
    }

    /// A shop that takes orders, and answers one for each [`Shop::answer`].
    pub async fn slow() -> Self {
        Self::with_answers(0).await
    }

    async fn with_answers(count: usize) -> Self {
        let (orders, answers) = (Arc::<AtomicUsize>::default(), Arc::new(Semaphore::new(count)));
        let shared = (Arc::clone(&orders), Arc::clone(&answers));
        let bff = Bff::raw(move |mut connection| {
            let (orders, answers) = shared.clone();
            async move {
                while connection.request().await.is_some() {
                    let number = orders.fetch_add(1, Ordering::SeqCst) + 1;
                    answers.acquire().await.unwrap().forget();
                    let location = format!("/tv/orders/{number}");
                    let headers = [
                        ("content-type", "application/json"),
                        ("location", location.as_str()),
                        ("set-cookie", "session=secret"),
                    ];
                    let body = format!("{{\"order\":{number}}}");
                    connection.answer(201, &headers, &body).await;
                }
            }
        })
        .await;
        Self { bff, orders, answers }
    }

    /// Lets one order be answered.
    pub fn answer(&self) {
        self.answers.add_permits(1);
    }

    /// Orders that were taken.
    pub fn orders(&self) -> usize {
        self.orders.load(Ordering::SeqCst)
    }

    /// Waits until that many orders are taken.
    pub async fn took(&self, count: usize) {
        crate::eventually(&format!("{count} orders"), || (self.orders() >= count).then_some(()))
            .await;
    }
}

/// A site whose one route heeds keys, with these entries in its table.
pub fn keyed(bff: &Bff, entries: &str) -> Site {
    keyed_in(bff, "data", "", entries)
}

/// As [`keyed`], with a folder for its records and further lines for the route.
pub fn keyed_in(bff: &Bff, data_dir: &str, route_lines: &str, entries: &str) -> Site {
    Site::with_route(bff, "", &format!("{route_lines}\nidempotency = {{ {entries} }}"))
        .platform(&format!("[data]\ndir = {data_dir:?}"))
}

/// An order under a key.
pub fn order(key: &str, body: &'static str) -> Call {
    post("/tv/orders", body).header("idempotency-key", key)
}
