-- reporting.engagement_funnel
-- Grain: one row per month of the first event and slice value (cohort_start, slice, slice_value).
-- Rerun: changed keys; the cohorts of changed users, and those that have lost or won some.
-- Why:   how many users go from a search to earning and on to redeeming, and how long it takes.
--        Of an even number of users the median is the mean of the two in the middle: a share that
--        is larger than a half by next to nothing asks for the upper one.

with sizes as (
    select slice, slice_value, cohort_start, active_users as users
    from {{ warehouse }}.agg_period_activity
    where grain = 'month' and period_start = cohort_start and active_users > 0
),

due as materialized (
    select slice, slice_value, cohort_start
    from sizes
    full join {{ this }} as report using (slice, slice_value, cohort_start)
    where report.users is distinct from sizes.users
    union
    select slice, slice_value, {{ warehouse }}.month_start(first_day) as cohort_start
    from {{ warehouse }}.agg_user_funnels
    inner join {{ warehouse }}.changed_users using (user_id)
),

gone as (
    delete from {{ this }}
    where (slice, slice_value, cohort_start) in (select slice, slice_value, cohort_start from due)
    returning cohort_start
),

funnels as (
    select
        {{ warehouse }}.month_start(first_day) as cohort_start,
        slice, slice_value, searched_at, earned_at, redeemed_at,
        extract(epoch from earned_at - searched_at) as seconds_to_earn,
        extract(epoch from redeemed_at - earned_at) as seconds_to_redeem
    from {{ warehouse }}.agg_user_funnels
    where
        (slice, slice_value, {{ warehouse }}.month_start(first_day))
        in (select slice, slice_value, cohort_start from due)
),

cohorts as (
    select
        cohort_start, slice, slice_value,
        count(*) as users,
        count(searched_at) as searched,
        count(earned_at) as earned,
        count(redeemed_at) as redeemed,
        percentile_disc(array[0.5, 0.5 + 1e-9]) within group (order by seconds_to_earn)
            as to_earn,
        percentile_disc(array[0.5, 0.5 + 1e-9]) within group (order by seconds_to_redeem)
            as to_redeem
    from funnels
    group by cohort_start, slice, slice_value
)

insert into {{ this }} (
    cohort_start, slice, slice_value, users, searched, earned, redeemed, search_rate, earn_rate,
    redeem_rate, median_days_to_earn, median_days_to_redeem
)
select
    cohort_start, slice, slice_value, users, searched, earned, redeemed,
    round(searched::numeric / users, 6) as search_rate,
    round(earned::numeric / nullif(searched, 0), 6) as earn_rate,
    round(redeemed::numeric / nullif(earned, 0), 6) as redeem_rate,
    round((to_earn[1] + to_earn[2]) / (2 * 86400), 6) as median_days_to_earn,
    round((to_redeem[1] + to_redeem[2]) / (2 * 86400), 6) as median_days_to_redeem
from cohorts
-- The old rows must be out before the new ones go in: counting them makes it so.
where (select count(*) from gone) >= 0;
