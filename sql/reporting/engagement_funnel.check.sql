-- The users of a cohort are the new users of its month, and all are eligible once it is complete.
-- No step has more users than the one before, nor than took it in any order. Medians are within
-- conversion_days.

with cohorts as (
    select
        period_start as cohort_start,
        slice, slice_value, new_users
    from {{ reporting }}.growth_accounting
    where
        grain = 'month'
        and new_users > 0
)

select
    cohort_start, slice, slice_value, cohorts.new_users, funnels.users, funnels.eligible_users,
    funnels.searched, funnels.earned, funnels.redeemed, funnels.earned_any, funnels.redeemed_any,
    funnels.median_days_to_earn, funnels.median_days_to_redeem, funnels.is_complete
from cohorts
full join {{ reporting }}.engagement_funnel as funnels using (cohort_start, slice, slice_value)
where
    cohorts.new_users is distinct from funnels.users
    or funnels.eligible_users > funnels.users
    or funnels.is_complete and funnels.eligible_users < funnels.users
    or funnels.searched > funnels.eligible_users
    or funnels.earned_any > funnels.eligible_users
    or funnels.redeemed_any > funnels.eligible_users
    or funnels.earned > least(funnels.searched, funnels.earned_any)
    or funnels.redeemed > least(funnels.earned, funnels.redeemed_any)
    or not funnels.median_days_to_earn between 0 and {{ conversion_days }}
    or not funnels.median_days_to_redeem between 0 and {{ conversion_days }}
