-- Place: local
create table if not exists {{ reporting }}.category_recommendations (
    segment text not null,
    transaction_category text not null,
    rank integer not null,
    users bigint not null,
    score numeric not null,
    support numeric not null,
    constraint category_recommendations_key primary key (segment, transaction_category)
);

comment on table {{ reporting }}.category_recommendations is
'What to offer to whom, as counts. One row per segment by rule and category; none where everybody '
'has used every category.';
comment on column {{ reporting }}.category_recommendations.segment is
'Segment by rule; other: those with fewer than min_cell of these users.';
comment on column {{ reporting }}.category_recommendations.transaction_category is
'Category; other: those with fewer than min_cell users in the segment.';
comment on column {{ reporting }}.category_recommendations.rank is
'1 has the most users in the segment; ties by name; other is last.';
comment on column {{ reporting }}.category_recommendations.users is
'Users of the segment for whom this is the best recommendation.';
comment on column {{ reporting }}.category_recommendations.score is 'Mean of their scores for it.';
comment on column {{ reporting }}.category_recommendations.support is
'Mean of the users of the model''s sample who used both this category and the reason for it.';
