create table if not exists {{ warehouse }}.fact_miles_redeemed (
    event_id bigint not null,
    event_time timestamptz not null,
    event_date date not null,
    user_id text not null,
    transaction_category text not null,
    miles_amount numeric not null,
    platform text,
    utm_source text,
    country text,
    constraint fact_miles_redeemed_key primary key (event_id)
);

create index if not exists fact_miles_redeemed_user
on {{ warehouse }}.fact_miles_redeemed (user_id, event_date);
create index if not exists fact_miles_redeemed_day on {{ warehouse }}.fact_miles_redeemed (event_date);

comment on table {{ warehouse }}.fact_miles_redeemed is 'Miles that users redeemed. One row per event.';
