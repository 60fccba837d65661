-- warehouse.agg_user_features
-- Grain: one row per user (user_id).
-- Rerun: changed keys; replaces the changed users.
-- Why:   all that decides which cluster a user is in, except recency, which changes every day.
--        Logarithms are slow: they are stored, and computed for changed users only.

delete from {{ this }} as features
{{ incremental }} using {{ warehouse }}.changed_users as changed
{{ incremental }} where features.user_id = changed.user_id
;

insert into {{ this }} (
    user_id, active_days, likes, shares, searches, earns, redeems,
    miles_earned, miles_redeemed, categories
)
select
    user_id,
    trim_scale({{ warehouse }}.logarithm(active_days_lifetime)) as active_days,
    trim_scale({{ warehouse }}.logarithm(like_count_lifetime)) as likes,
    trim_scale({{ warehouse }}.logarithm(share_count_lifetime)) as shares,
    trim_scale({{ warehouse }}.logarithm(search_count_lifetime)) as searches,
    trim_scale({{ warehouse }}.logarithm(earned_count_lifetime)) as earns,
    trim_scale({{ warehouse }}.logarithm(redeemed_count_lifetime)) as redeems,
    trim_scale({{ warehouse }}.logarithm(greatest(miles_earned_lifetime, 0))) as miles_earned,
    trim_scale({{ warehouse }}.logarithm(greatest(miles_redeemed_lifetime, 0))) as miles_redeemed,
    trim_scale({{ warehouse }}.logarithm(category_count_lifetime)) as categories
from {{ warehouse }}.agg_user_engagement
{{ incremental }} inner join {{ warehouse }}.changed_users using (user_id)
order by user_id;
