-- warehouse.agg_user_categories
-- Grain: one row per user, direction and category (user_id, direction, transaction_category).
-- Rerun: changed keys; recomputes the users of the change set, other users stay.
-- Why:   distinct users of a category are its rows here.

delete from {{ this }}
{{ incremental }} where user_id in (
{{ incremental }}     select changed.user_id from {{ warehouse }}.changed_events as changed
{{ incremental }} )
;

insert into {{ this }} (user_id, direction, transaction_category, events, miles)
select
    user_id,
    case event_type when 'miles_earned' then 'earned' else 'redeemed' end as direction,
    transaction_category,
    count(*) as events,
    coalesce(sum(earned), sum(redeemed)) as miles
from {{ warehouse }}.engagements
where
    event_type in ('miles_earned', 'miles_redeemed')
    {{ incremental }} and user_id in (
    {{ incremental }}     select changed.user_id from {{ warehouse }}.changed_events as changed
    {{ incremental }} )
group by user_id, event_type, transaction_category;
