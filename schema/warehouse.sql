create schema if not exists {{ warehouse }};
comment on schema {{ warehouse }} is 'Replicas of the sources, dimensions, facts and aggregates.';
