-- Place: distributed by user_id
create table if not exists {{ warehouse }}.dim_users (
    user_id text not null,
    country text not null,
    first_utm_source text not null,
    first_platform text not null,
    first_day date not null,
    first_week date not null,
    first_month date not null,
    first_seen_at timestamptz not null,
    last_seen_at timestamptz not null,
    constraint dim_users_key primary key (user_id)
) with (fillfactor = 70);

comment on table {{ warehouse }}.dim_users is
'First touch, cohort and country of each user. One row per user with an event that counts.';
comment on column {{ warehouse }}.dim_users.user_id is 'The user.';
comment on column {{ warehouse }}.dim_users.country is 'Country of the newest event.';
comment on column {{ warehouse }}.dim_users.first_utm_source is 'Source of the oldest event.';
comment on column {{ warehouse }}.dim_users.first_platform is 'Platform of the oldest event.';
comment on column {{ warehouse }}.dim_users.first_day is 'Day of the oldest event.';
comment on column {{ warehouse }}.dim_users.first_week is 'Monday of its ISO week.';
comment on column {{ warehouse }}.dim_users.first_month is 'First day of its month.';
comment on column {{ warehouse }}.dim_users.first_seen_at is 'Time of the oldest event.';
comment on column {{ warehouse }}.dim_users.last_seen_at is 'Time of the newest event.';

-- Models are fitted on the users with the smallest hashes.
create index if not exists dim_users_hash
on {{ warehouse }}.dim_users (md5(user_id), user_id collate "C");
