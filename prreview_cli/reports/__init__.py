"""A review as a program or a person reads it, one file a format. Pure: a document in, text out."""
