//! Tests of the whole: `architecture.rs` holds the layers, `system/` speaks into real rooms of a real house.
