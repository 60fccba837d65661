-- No step has more users than the one before it, nobody takes it before that, and the users of a
-- cohort are those who are new in its month.

with cohorts as (
    select
        growth.period_start as cohort_start,
        growth.slice,
        growth.slice_value,
        growth.new_users
    from {{ reporting }}.growth_accounting as growth
    where
        growth.grain = 'month'
        and growth.new_users > 0
),

funnels as (
    select
        funnel.cohort_start,
        funnel.slice,
        funnel.slice_value,
        funnel.users,
        funnel.searched,
        funnel.earned,
        funnel.redeemed,
        funnel.median_days_to_earn,
        funnel.median_days_to_redeem
    from {{ reporting }}.engagement_funnel as funnel
)

select
    cohort_start,
    slice,
    slice_value,
    cohorts.new_users,
    funnels.users,
    funnels.searched,
    funnels.earned,
    funnels.redeemed,
    funnels.median_days_to_earn,
    funnels.median_days_to_redeem
from cohorts
full join funnels using (cohort_start, slice, slice_value)
where
    cohorts.new_users is distinct from funnels.users
    or funnels.searched > funnels.users
    or funnels.earned > funnels.searched
    or funnels.redeemed > funnels.earned
    or funnels.median_days_to_earn < 0
    or funnels.median_days_to_redeem < 0
