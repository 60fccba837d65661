create schema if not exists {{ warehouse }};
comment on schema {{ warehouse }} is 'Replicas of the sources, dimensions, facts and aggregates.';

-- Attributes are keys of indexes, which take no very long ones: whoever sends one (a source is part
-- of a web address) must not stop the build. It is cut, and stays distinct by its hash.
create or replace function {{ warehouse }}.member(value text) returns text
language sql immutable parallel safe
return coalesce(
    case when length(value) > 200 then left(value, 160) || md5(value) else value end,
    'unknown'
);

comment on function {{ warehouse }}.member(text) is
'The member that an attribute stands for: unknown if it is missing, cut if it is very long.';
