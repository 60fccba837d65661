-- reporting.user_segments
-- Grain: one row per kind of group and name (kind, name).
-- Rerun: whole; linear in users.
-- Why:   who the users are, without saying it of a handful of people: small groups become one, and
--        if that is still small, the next smallest group joins it.

insert into {{ this }} (
    kind, name, label, users, share,
    median_recency_days, median_active_days, median_miles_earned, median_miles_redeemed
)
with people as (
    select
        groups.kind,
        groups.name,
        data.last_day - profiles.last_active_day as recency_days,
        engagement.active_days_lifetime as active_days,
        engagement.miles_earned_lifetime as miles_earned,
        engagement.miles_redeemed_lifetime as miles_redeemed
    from {{ warehouse }}.agg_user_profiles as profiles
    inner join {{ warehouse }}.agg_user_engagement as engagement using (user_id)
    cross join (select max(calendar_date) as last_day from {{ warehouse }}.dim_dates) as data
    cross join unnest(
        array['rule', 'cluster'], array[profiles.segment, profiles.cluster::text]
    ) as groups (kind, name)
),

sizes as (
    select kind, name, count(*) as users
    from people
    group by kind, name
),

-- `place` is the order by size: of the small ones by themselves, and of the others.
ranked as (
    select
        kind,
        name,
        users < {{ min_cell }} as is_small,
        sum(users) filter (where users < {{ min_cell }}) over (partition by kind) as users_of_small,
        row_number() over (
            partition by kind, users < {{ min_cell }} order by users, name collate "C"
        ) as place
    from sizes
),

names as (
    select
        kind,
        name,
        case
            when is_small or (place = 1 and users_of_small < {{ min_cell }}) then 'other'
            else name
        end as shown_name
    from ranked
),

-- The values on both sides of the middle: one if their number is odd. A share that is larger than a
-- half by next to nothing asks for the one above.
medians as (
    select
        kind,
        shown_name as name,
        count(*) as users,
        percentile_disc(array[0.5, 0.5 + 1e-9]) within group (order by recency_days) as recency,
        percentile_disc(array[0.5, 0.5 + 1e-9]) within group (order by active_days) as days,
        percentile_disc(array[0.5, 0.5 + 1e-9]) within group (order by miles_earned) as earned,
        percentile_disc(array[0.5, 0.5 + 1e-9]) within group (order by miles_redeemed) as redeemed
    from people
    inner join names using (kind, name)
    group by kind, shown_name
),

labels as (
    select distinct 'cluster' as kind, cluster::text as name, label
    from {{ warehouse }}.model_user_clusters
)

select
    kind,
    name,
    label,
    users,
    trim_scale(round(users / sum(users) over (partition by kind), 6)) as share,
    trim_scale(round((recency[1] + recency[2]) / 2.0, 6)) as median_recency_days,
    trim_scale(round((days[1] + days[2]) / 2.0, 6)) as median_active_days,
    trim_scale(round((earned[1] + earned[2]) / 2.0, 6)) as median_miles_earned,
    trim_scale(round((redeemed[1] + redeemed[2]) / 2.0, 6)) as median_miles_redeemed
from medians
left join labels using (kind, name);
