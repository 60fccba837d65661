create table if not exists {{ warehouse }}.agg_daily_values (
    event_date date not null,
    dimension text not null,
    value text not null,
    event_type text not null,
    first_seen_at timestamptz not null,
    constraint agg_daily_values_key primary key (event_date, dimension, value, event_type)
);

comment on table {{ warehouse }}.agg_daily_values is
'When each value of a dimension was first seen on a day. One row per day, value and event type.';
