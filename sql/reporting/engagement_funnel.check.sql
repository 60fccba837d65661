-- No step has more users than the one before it, nobody takes it before that, and the users of a
-- cohort are those who are new in its month.

with cohorts as (
    select
        period_start as cohort_start,
        slice, slice_value, new_users
    from {{ reporting }}.growth_accounting
    where
        grain = 'month'
        and new_users > 0
),

funnels as (
    select
        cohort_start, slice, slice_value, users, searched, earned, redeemed, median_days_to_earn,
        median_days_to_redeem
    from {{ reporting }}.engagement_funnel
)

select
    cohort_start, slice, slice_value, cohorts.new_users, funnels.users, funnels.searched,
    funnels.earned, funnels.redeemed, funnels.median_days_to_earn, funnels.median_days_to_redeem
from cohorts
full join funnels using (cohort_start, slice, slice_value)
where
    cohorts.new_users is distinct from funnels.users
    or funnels.searched > funnels.users
    or funnels.earned > funnels.searched
    or funnels.redeemed > funnels.earned
    or funnels.median_days_to_earn < 0
    or funnels.median_days_to_redeem < 0
