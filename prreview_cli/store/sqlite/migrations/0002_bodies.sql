-- The raw body of a signed pull_request delivery (gzip), so that it can be replayed: by the delivery's row, and pruned
-- with it. A table of its own, because what is asked of deliveries all the time should not walk over bodies.
CREATE TABLE delivery_body (
    id INTEGER PRIMARY KEY,
    body BLOB NOT NULL
) STRICT;

-- The host's id is how a person names a delivery.
CREATE INDEX delivery_host_id ON delivery (delivery);
