//! Policy files as people have them.
