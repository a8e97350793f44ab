//! How the thread for maintenance is woken and stopped.

use parking_lot::{Condvar, Mutex};

/// Wakes and stops a thread.
#[derive(Debug, Default)]
pub(crate) struct Signal {
    orders: Mutex<Orders>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Orders {
    work: bool,
    stop: bool,
}

impl Signal {
    pub(super) fn wake(&self) {
        self.orders.lock().work = true;
        self.changed.notify_all();
    }

    pub(super) fn stop(&self) {
        self.orders.lock().stop = true;
        self.changed.notify_all();
    }

    /// Waits for work. Returns whether there is any; if not, it is time to stop.
    pub(super) fn wait(&self) -> bool {
        let mut orders = self.orders.lock();
        while !orders.work && !orders.stop {
            self.changed.wait(&mut orders);
        }
        orders.work = false;
        !orders.stop
    }
}
