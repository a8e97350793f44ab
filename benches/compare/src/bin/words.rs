fn main(){ let _ = tantivy::schema::Schema::builder(); }
