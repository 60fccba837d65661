-- Place: distributed by user_id
create table if not exists {{ warehouse }}.agg_user_profiles (
    user_id text not null,
    segment text not null,
    cluster integer not null,
    last_active_day date not null,
    active_days_lifetime integer not null,
    miles_earned_lifetime numeric not null,
    miles_redeemed_lifetime numeric not null,
    miles_earned_90d numeric not null,
    has_top_miles boolean not null,
    rules_until date[] not null,
    segment_until date not null,
    next_look_on date not null,
    constraint agg_user_profiles_key primary key (user_id)
) with (fillfactor = 70);

comment on table {{ warehouse }}.agg_user_profiles is
'Segment by rule and cluster of a user, and what decided on the segment. One row per user.';
comment on column {{ warehouse }}.agg_user_profiles.user_id is 'The user.';
comment on column {{ warehouse }}.agg_user_profiles.segment is
'new, champion, loyal, promising, at risk, hibernating or lost: the first with a rule that fits.';
comment on column {{ warehouse }}.agg_user_profiles.cluster is
'Number of the nearest cluster of model_user_clusters, from the most active.';
comment on column {{ warehouse }}.agg_user_profiles.last_active_day is 'Day of the newest event.';
comment on column {{ warehouse }}.agg_user_profiles.active_days_lifetime is
'Days with an event, lifetime.';
comment on column {{ warehouse }}.agg_user_profiles.miles_earned_lifetime is 'Miles ever earned.';
comment on column {{ warehouse }}.agg_user_profiles.miles_redeemed_lifetime is
'Miles ever redeemed.';
comment on column {{ warehouse }}.agg_user_profiles.miles_earned_90d is
'Miles earned in the 90 days that end on the last day of the data.';
comment on column {{ warehouse }}.agg_user_profiles.has_top_miles is
'Whether the user is among the top champion_miles_share of those who earned miles in these 90 '
'days, rounded up; ties with the last of them included.';
comment on column {{ warehouse }}.agg_user_profiles.rules_until is
'For each segment but lost, in order: without another event, the last day of the data on which '
'its rule fits, apart from has_top_miles; -infinity if the user has too few active days.';
comment on column {{ warehouse }}.agg_user_profiles.segment_until is
'Without another event, the last day of the data on which the rule of the segment fits; infinity '
'for lost.';
comment on column {{ warehouse }}.agg_user_profiles.next_look_on is
'Without another event, cluster and miles_earned_90d stay the same until this is the last day of '
'the data; infinity if they never change.';
