//! greeting
