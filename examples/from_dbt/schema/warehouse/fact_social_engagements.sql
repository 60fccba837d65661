create table if not exists {{ warehouse }}.fact_social_engagements (
    event_id bigint not null,
    event_time timestamptz not null,
    event_date date not null,
    user_id text not null,
    event_type text not null,
    platform text,
    utm_source text,
    country text,
    constraint fact_social_engagements_key primary key (event_id)
);

create index if not exists fact_social_engagements_user
on {{ warehouse }}.fact_social_engagements (user_id, event_date);
create index if not exists fact_social_engagements_day on {{ warehouse }}.fact_social_engagements (event_date);

comment on table {{ warehouse }}.fact_social_engagements is 'Shares and likes. One row per event.';
