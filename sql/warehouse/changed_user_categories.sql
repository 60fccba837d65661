-- warehouse.changed_user_categories
-- Grain: one row per user and category (user_id, transaction_category).
-- Rerun: whole; the same runs of the pipeline give the same rows.
-- Why:   most users change in few of their categories. Distinct users of a week or month are
--        counted from all of its days, so the span covers whole weeks and months.

delete from {{ this }};

-- Waived: union, as early events are few.
insert into {{ this }} (
    user_id, transaction_category, first_changed_day, span_start, span_end
)
with pairs as (
    select user_id, transaction_category
    from {{ warehouse }}.classified_events
    where
        _run_id > {{ after.event_stream }}
        and _run_id <= {{ through.event_stream }}
        and fact_table in ('fact_miles_earned', 'fact_miles_redeemed', 'fact_reward_searches')
    union
    -- The former categories of replaced rows.
    select user_id, transaction_category
    from {{ warehouse }}.former_events
    where
        pipeline_id = {{ pipeline.event_stream }}
        and run_id > {{ after.event_stream }}
        and run_id <= {{ through.event_stream }}
    union
    -- Early events that begin to count, or cease to.
    select user_id, transaction_category
    from {{ warehouse }}.early_events
    inner join {{ warehouse }}.changed_user_days using (user_id, event_date)
    where transaction_category is not null
),

-- -infinity stands for no day, and such an event has no category.
days as (
    select
        user_id,
        min(event_date) as first_changed_day,
        max(event_date) as last_changed_day
    from {{ warehouse }}.changed_user_days
    where isfinite(event_date)
    group by user_id
)

select
    user_id, transaction_category, first_changed_day,
    least(
        {{ warehouse }}.week_start(first_changed_day),
        {{ warehouse }}.month_start(first_changed_day)
    ) as span_start,
    greatest(
        {{ warehouse }}.week_start(last_changed_day) + 6,
        {{ warehouse }}.next_period('month', {{ warehouse }}.month_start(last_changed_day)) - 1
    ) as span_end
from pairs
inner join days using (user_id)
order by user_id, transaction_category;

analyze {{ this }};
