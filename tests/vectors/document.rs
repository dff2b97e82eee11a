pub fn rewrite_vectors() {}
