-- reporting.customer_cohorts
-- Grain: one row per month of the first order and month after it (cohort_month, month_number).
-- Rerun: whole; a row for each pair of months.
-- Why:   whether customers order again, and whether newer ones do so more than older ones.

insert into {{ this }} (cohort_month, month_number, cohort_size, customers, share)
with active as (
    select
        cohort_month,
        month,
        count(*) as customers
    from {{ warehouse }}.agg_customer_months
    group by cohort_month, month
),

-- A month in which nobody of a cohort ordered has a row too.
pairs as (
    select
        cohorts.month as cohort_month,
        later.month,
        cohorts.customers as cohort_size,
        12 * (extract(year from later.month) - extract(year from cohorts.month))::integer
        + (extract(month from later.month) - extract(month from cohorts.month))::integer
            as month_number
    from active as cohorts
    inner join (select distinct month from active) as later on later.month >= cohorts.month
    where cohorts.cohort_month = cohorts.month
)

select
    cohort_month,
    pairs.month_number,
    pairs.cohort_size,
    coalesce(active.customers, 0) as customers,
    round(coalesce(active.customers, 0)::numeric / pairs.cohort_size, 6) as share
from pairs
left join active using (cohort_month, month);
