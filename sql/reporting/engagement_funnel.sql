-- reporting.engagement_funnel
-- Grain: one row per month of the first event and slice value (cohort_start, slice, slice_value).
-- Rerun: whole; linear in users.
-- Why:   how many users go from a search to earning and on to redeeming, and how long it takes.
--        Of an even number of users the median is the mean of the two in the middle: the middle
--        one as counted from either end.

insert into {{ this }} (
    cohort_start,
    slice,
    slice_value,
    users,
    searched,
    earned,
    redeemed,
    search_rate,
    earn_rate,
    redeem_rate,
    median_days_to_earn,
    median_days_to_redeem
)
with funnels as (
    select
        date_trunc('month', funnels.first_day::timestamp)::date as cohort_start,
        funnels.slice,
        funnels.slice_value,
        funnels.searched_at,
        funnels.earned_at,
        funnels.redeemed_at,
        extract(epoch from funnels.earned_at - funnels.searched_at) as seconds_to_earn,
        extract(epoch from funnels.redeemed_at - funnels.earned_at) as seconds_to_redeem
    from {{ warehouse }}.agg_user_funnels as funnels
),

cohorts as (
    select
        funnels.cohort_start,
        funnels.slice,
        funnels.slice_value,
        count(*) as users,
        count(funnels.searched_at) as searched,
        count(funnels.earned_at) as earned,
        count(funnels.redeemed_at) as redeemed,
        percentile_disc(0.5) within group (order by funnels.seconds_to_earn)
        + percentile_disc(0.5) within group (order by funnels.seconds_to_earn desc)
            as twice_seconds_to_earn,
        percentile_disc(0.5) within group (order by funnels.seconds_to_redeem)
        + percentile_disc(0.5) within group (order by funnels.seconds_to_redeem desc)
            as twice_seconds_to_redeem
    from funnels
    group by
        funnels.cohort_start,
        funnels.slice,
        funnels.slice_value
)

select
    cohorts.cohort_start,
    cohorts.slice,
    cohorts.slice_value,
    cohorts.users,
    cohorts.searched,
    cohorts.earned,
    cohorts.redeemed,
    round(cohorts.searched::numeric / cohorts.users, 6) as search_rate,
    round(cohorts.earned::numeric / nullif(cohorts.searched, 0), 6) as earn_rate,
    round(cohorts.redeemed::numeric / nullif(cohorts.earned, 0), 6) as redeem_rate,
    round(cohorts.twice_seconds_to_earn / (2 * 86400), 6) as median_days_to_earn,
    round(cohorts.twice_seconds_to_redeem / (2 * 86400), 6) as median_days_to_redeem
from cohorts;
