-- Place: local
create table if not exists {{ warehouse }}.agg_category_profiles (
    transaction_category text not null,
    segment text not null,
    roles text not null,
    rank integer not null,
    users bigint not null,
    reach numeric not null,
    repeat_rate numeric not null,
    median_events_per_user numeric not null,
    events_28d bigint not null,
    events_28d_before bigint not null,
    share_trend_28d numeric,
    first_event_date date not null,
    last_event_date date not null,
    constraint agg_category_profiles_key primary key (transaction_category)
);

comment on table {{ warehouse }}.agg_category_profiles is
'What kind of category it is. One row per category.';
comment on column {{ warehouse }}.agg_category_profiles.transaction_category is
'Category; unknown where the source had none.';
comment on column {{ warehouse }}.agg_category_profiles.segment is
'new, fading, rising, staple, niche or steady: the first rule that fits; limits are variables.';
comment on column {{ warehouse }}.agg_category_profiles.roles is
'What users do in it: earn, redeem, search; separated by commas.';
comment on column {{ warehouse }}.agg_category_profiles.rank is
'1 has the most users; ties by name.';
comment on column {{ warehouse }}.agg_category_profiles.users is
'Users with an event in the category.';
comment on column {{ warehouse }}.agg_category_profiles.reach is 'users / all users.';
comment on column {{ warehouse }}.agg_category_profiles.repeat_rate is
'Users with two or more events in the category / users.';
comment on column {{ warehouse }}.agg_category_profiles.median_events_per_user is
'Median of the events per user.';
comment on column {{ warehouse }}.agg_category_profiles.events_28d is
'Events of the 28 days ending on the last day of the data.';
comment on column {{ warehouse }}.agg_category_profiles.events_28d_before is
'Events of the 28 days before these.';
comment on column {{ warehouse }}.agg_category_profiles.share_trend_28d is
'Share of events_28d in those of all categories / share of events_28d_before - 1; null if it had '
'none before. A category that grows like all others has a trend of 0.';
comment on column {{ warehouse }}.agg_category_profiles.first_event_date is
'Day of its oldest event.';
comment on column {{ warehouse }}.agg_category_profiles.last_event_date is
'Day of its newest event.';
