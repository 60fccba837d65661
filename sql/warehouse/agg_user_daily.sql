-- warehouse.agg_user_daily
-- Grain: one row per user, day, platform, source and country
--        (user_id, event_date, platform, utm_source, country).
-- Rerun: difference; replaces the changed days of users, and adds the difference to
--        warehouse.agg_engagement_daily. A second run finds no difference.
-- Why:   the base of all user metrics, in every slice. A day's distinct users are corrected by the
--        users who changed, without reading the others.

-- None in a full build.
create temporary table old_days as
select
    user_id, event_date, platform, utm_source, country,
    earned_count, redeemed_count, search_count, share_count, like_count, unclassified_count,
    miles_earned, miles_redeemed
from {{ this }}
inner join {{ warehouse }}.changed_user_days using (user_id, event_date);

delete from {{ this }} as daily
{{ incremental }} using pg_temp.old_days
{{ incremental }} where daily.user_id = old_days.user_id
{{ incremental }}     and daily.event_date = old_days.event_date
;

insert into {{ this }} (
    user_id, event_date, platform, utm_source, country,
    earned_count, redeemed_count, search_count, share_count, like_count, unclassified_count,
    miles_earned, miles_redeemed,
    first_event_id, last_event_id, first_event_at, last_event_at, first_earned_at
)
select
    user_id, event_date, platform, utm_source, country,
    count(*) filter (where event_type = 'miles_earned') as earned_count,
    count(*) filter (where event_type = 'miles_redeemed') as redeemed_count,
    count(*) filter (where event_type = 'reward_search') as search_count,
    count(*) filter (where event_type = 'share') as share_count,
    count(*) filter (where event_type = 'like') as like_count,
    count(*) filter (
        where event_type not in ('miles_earned', 'miles_redeemed', 'reward_search', 'share', 'like')
    ) as unclassified_count,
    sum(miles_earned) as miles_earned,
    sum(miles_redeemed) as miles_redeemed,
    (array_agg(event_id order by event_time, event_id))[1] as first_event_id,
    (array_agg(event_id order by event_time desc, event_id desc))[1] as last_event_id,
    min(event_time) as first_event_at,
    max(event_time) as last_event_at,
    min(event_time) filter (where event_type = 'miles_earned') as first_earned_at
from {{ warehouse }}.counted_events as fact
{{ incremental }} inner join {{ warehouse }}.changed_user_days using (user_id, event_date)
{{ incremental }} where {{ within.changed_user_days }}
group by user_id, event_date, platform, utm_source, country
order by user_id, event_date;

-- A full build counts from zero.
delete from {{ state }} as engagement
{{ incremental }} where false
;

-- Waived: union, of changed days alone; a full build has no old rows. Old rows have sign -1, new
-- ones 1.
insert into {{ state }} as engagement (
    slice, slice_value, event_date,
    users, events,
    earning_users, earned_count, redeeming_users, redeemed_count, searching_users, search_count,
    sharing_users, share_count, liking_users, like_count,
    miles_earned, miles_redeemed
)
with signed_days as (
    {{ incremental }} select
    {{ incremental }}     -1 as sign,
    {{ incremental }}     user_id, event_date, platform, utm_source, country,
    {{ incremental }}     earned_count, redeemed_count, search_count,
    {{ incremental }}     share_count, like_count, unclassified_count,
    {{ incremental }}     miles_earned, miles_redeemed
    {{ incremental }} from pg_temp.old_days
    {{ incremental }} union all
    select
        1 as sign,
        user_id, event_date, platform, utm_source, country,
        earned_count, redeemed_count, search_count, share_count, like_count, unclassified_count,
        miles_earned, miles_redeemed
    from {{ this }}
    {{ incremental }} inner join {{ warehouse }}.changed_user_days using (user_id, event_date)
),

-- What a user did, as bits: 1 anything, 2 earn, 4 redeem, 8 search, 16 share, 32 like. And whether
-- the day has one country and source, and one platform.
kinds as (
    select
        signed_days.*,
        1 + 2 * (earned_count > 0)::integer + 4 * (redeemed_count > 0)::integer
        + 8 * (search_count > 0)::integer + 16 * (share_count > 0)::integer
        + 32 * (like_count > 0)::integer as kinds,
        min(country) over user_day = max(country) over user_day
        and min(utm_source) over user_day = max(utm_source) over user_day as has_one_origin,
        min(platform) over user_day = max(platform) over user_day as has_one_platform
    from signed_days
    window user_day as (partition by user_id, event_date)
),

-- One row per group of slice values that count the user together, which slice_groups() makes and
-- slices() unfolds. However many rows the user's day has there, each bit counts once: in the first
-- row that has it.
days_by_slices as (
    select
        kinds.*,
        everybody, of_country, of_platform, of_source,
        kinds & ~coalesce(bit_or(kinds) over earlier, 0) as new_kinds
    from kinds
    cross join lateral {{ warehouse }}.slice_groups(
        has_one_origin, has_one_platform, country, platform, utm_source
    )
    window earlier as (
        partition by
            user_id, event_date, sign, everybody, of_country, of_platform, of_source
        rows between unbounded preceding and 1 preceding
    )
),

group_counts as (
    select
        event_date, everybody, of_country, of_platform, of_source,
        sum(sign) filter (where new_kinds & 1 > 0) as users,
        sum(sign) filter (where new_kinds & 2 > 0) as earning_users,
        sum(sign) filter (where new_kinds & 4 > 0) as redeeming_users,
        sum(sign) filter (where new_kinds & 8 > 0) as searching_users,
        sum(sign) filter (where new_kinds & 16 > 0) as sharing_users,
        sum(sign) filter (where new_kinds & 32 > 0) as liking_users,
        sum(sign * earned_count) as earned_count, sum(sign * redeemed_count) as redeemed_count,
        sum(sign * search_count) as search_count, sum(sign * share_count) as share_count,
        sum(sign * like_count) as like_count, sum(sign * unclassified_count) as unclassified_count,
        sum(sign * miles_earned) as miles_earned, sum(sign * miles_redeemed) as miles_redeemed
    from days_by_slices
    group by event_date, everybody, of_country, of_platform, of_source
)

select
    slice, slice_value, event_date,
    coalesce(sum(users), 0) as users,
    sum(
        earned_count + redeemed_count + search_count + share_count + like_count + unclassified_count
    ) as events,
    coalesce(sum(earning_users), 0) as earning_users,
    sum(earned_count) as earned_count,
    coalesce(sum(redeeming_users), 0) as redeeming_users,
    sum(redeemed_count) as redeemed_count,
    coalesce(sum(searching_users), 0) as searching_users,
    sum(search_count) as search_count,
    coalesce(sum(sharing_users), 0) as sharing_users,
    sum(share_count) as share_count,
    coalesce(sum(liking_users), 0) as liking_users,
    sum(like_count) as like_count,
    trim_scale(sum(miles_earned)) as miles_earned,
    trim_scale(sum(miles_redeemed)) as miles_redeemed
from group_counts
cross join lateral {{ warehouse }}.slices(everybody, of_country, of_platform, of_source)
group by slice, slice_value, event_date
on conflict (slice, slice_value, event_date) do update set
    users = engagement.users + excluded.users,
    events = engagement.events + excluded.events,
    earning_users = engagement.earning_users + excluded.earning_users,
    earned_count = engagement.earned_count + excluded.earned_count,
    redeeming_users = engagement.redeeming_users + excluded.redeeming_users,
    redeemed_count = engagement.redeemed_count + excluded.redeemed_count,
    searching_users = engagement.searching_users + excluded.searching_users,
    search_count = engagement.search_count + excluded.search_count,
    sharing_users = engagement.sharing_users + excluded.sharing_users,
    share_count = engagement.share_count + excluded.share_count,
    liking_users = engagement.liking_users + excluded.liking_users,
    like_count = engagement.like_count + excluded.like_count,
    miles_earned = trim_scale(engagement.miles_earned + excluded.miles_earned),
    miles_redeemed = trim_scale(engagement.miles_redeemed + excluded.miles_redeemed);

-- A day without an event has no row, as in a full build.
delete from {{ state }} as engagement
where engagement.events = 0;

drop table pg_temp.old_days;
