//! Ways lead through several recipes, and no recipe leads astray.
