-- Miles earned and redeemed
-- Question: Where do miles come from, and what are they spent on?
-- Meaning:  Miles of the period by category: earned above zero, redeemed below. The largest
--           categories have colours of their own, the others are added up; pointing at a bar also
--           shows the total of all categories. By day, a country, platform or source is shown for
--           the last 90 days.
-- Width:    half
-- Base:     users
-- Columns:
--     period_start: From
--     series: Category, name
--     miles: Miles, number
--     total: In all, number

with ranked as (
    select
        miles.direction,
        miles.transaction_category,
        row_number() over (
            partition by miles.direction
            order by sum(miles.miles) desc, miles.transaction_category collate "C"
        ) as place,
        row_number() over (
            partition by miles.direction
            order by sum(miles.miles) desc, miles.transaction_category collate "C"
        ) <= case miles.direction when 'earned' then 5 else 3 end as is_large
    from reporting.miles_by_category as miles
    where miles.grain = 'month' and miles.slice = 'all'
    group by miles.direction, miles.transaction_category
),

named as (
    select
        ranked.direction,
        ranked.transaction_category,
        case when ranked.is_large then ranked.place else 9 end as place,
        case when ranked.is_large then ranked.transaction_category else 'other' end
        || ', ' || ranked.direction as series
    from ranked
)

-- A row without a category is the sum of them all.
select
    totals.slice,
    totals.slice_value,
    totals.grain,
    totals.period_start,
    directions.direction,
    0 as place,
    null as series,
    null as miles,
    directions.miles as total,
    directions.users,
    totals.is_complete
from reporting.kpi_periods as totals
cross join lateral (
    values
    ('earned', totals.miles_earned, totals.earning_users),
    ('redeemed', totals.miles_redeemed, totals.redeeming_users)
) as directions (direction, miles, users)
union all
select
    miles.slice,
    miles.slice_value,
    miles.grain,
    miles.period_start,
    miles.direction,
    named.place,
    named.series,
    sum(miles.miles) as miles,
    null as total,
    max(miles.users) as users,
    miles.is_complete
from reporting.miles_by_category as miles
inner join named
    on
        named.direction = miles.direction
        and named.transaction_category = miles.transaction_category
group by
    miles.slice,
    miles.slice_value,
    miles.grain,
    miles.period_start,
    miles.direction,
    named.place,
    named.series,
    miles.is_complete
order by slice, slice_value, grain, direction, place, series, period_start;
