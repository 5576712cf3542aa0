//! Shared prefixes: each token that several prompts have in common is evaluated once, for all of them.
//!
//! Owns the walk over sorted prompts that lists the rows to prefill. It evaluates nothing.

use super::{Row, SeqId};

/// The length of the longest common prefix.
pub(super) fn common_prefix(a: &[u32], b: &[u32]) -> usize {
    a.iter().zip(b).take_while(|(a, b)| a == b).count()
}

/// The rows that bring each prompt's cache up to its last token, which is left out.
///
/// `prompts` are sorted and distinct; prompt i is sequence `first_seq + i`, and the first `n_cached` tokens
/// of each are in the cache already. A token shared by several prompts is one row of several sequences;
/// rows come in an order in which every sequence's positions rise by one.
pub fn prefill_rows(prompts: &[&[u32]], first_seq: SeqId, n_cached: usize) -> Vec<Row> {
    let mut rows = Vec::new();
    walk(prompts, first_seq, n_cached, &mut rows);
    rows
}

/// Rows for prompts that are equal in their first `depth` tokens.
fn walk(prompts: &[&[u32]], first_seq: SeqId, depth: usize, rows: &mut Vec<Row>) {
    let (Some(first), Some(last)) = (prompts.first(), prompts.last()) else {
        return;
    };
    // Sorted prompts have in common what the first and the last have in common. A last token is never prefilled.
    let shortest = prompts.iter().map(|prompt| prompt.len()).min().unwrap_or(0);
    let shared = common_prefix(first, last)
        .min(shortest.saturating_sub(1))
        .max(depth);
    for (position, &token) in first.iter().enumerate().take(shared).skip(depth) {
        rows.push(Row {
            token,
            position: position as u32,
            first_seq,
            n_seqs: prompts.len() as u32,
            output: false,
        });
    }
    if prompts.len() == 1 {
        return;
    }
    let mut start = 0;
    while start < prompts.len() {
        let n_prefilled = prompts[start].len() - 1;
        let end = if n_prefilled <= shared {
            start + 1
        } else {
            end_of_run(prompts, start, shared)
        };
        walk(
            &prompts[start..end],
            first_seq + start as SeqId,
            shared,
            rows,
        );
        start = end;
    }
}

/// The end of the prompts from `start` on that share the token at `depth` and prefill it.
fn end_of_run(prompts: &[&[u32]], start: usize, depth: usize) -> usize {
    let token = prompts[start][depth];
    prompts[start..]
        .iter()
        .position(|prompt| prompt.len() - 1 <= depth || prompt[depth] != token)
        .map_or(prompts.len(), |n| start + n)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Replays rows into one token list per sequence and checks that positions rise by one.
    fn replay(rows: &[Row], prompts: &[Vec<u32>], n_cached: usize) -> Vec<Vec<u32>> {
        let mut caches: Vec<Vec<u32>> = prompts.iter().map(|p| p[..n_cached].to_vec()).collect();
        for row in rows {
            assert!(row.n_seqs >= 1 && !row.output);
            for seq in row.first_seq..row.first_seq + row.n_seqs {
                let cache = &mut caches[(seq - 5) as usize];
                assert_eq!(cache.len(), row.position as usize);
                cache.push(row.token);
            }
        }
        caches
    }

    fn check(prompts: &[Vec<u32>], n_cached: usize, n_rows: Option<usize>) {
        let views: Vec<&[u32]> = prompts.iter().map(Vec::as_slice).collect();
        let rows = prefill_rows(&views, 5, n_cached);
        for (cache, prompt) in replay(&rows, prompts, n_cached).iter().zip(prompts) {
            assert_eq!(cache, &prompt[..prompt.len() - 1]);
        }
        if let Some(n_rows) = n_rows {
            assert_eq!(rows.len(), n_rows);
        }
    }

    #[test]
    fn shared_tokens_are_evaluated_once() {
        check(&[vec![1, 2, 3]], 0, Some(2));
        check(&[vec![1, 2, 3], vec![1, 2, 4]], 0, Some(2));
        check(&[vec![1, 2, 3, 9], vec![1, 2, 4, 9]], 1, Some(3));
        // The first prompt is a prefix of the second: its last token stays out, the second needs it.
        check(&[vec![1, 2], vec![1, 2, 3]], 0, Some(2));
        check(&[vec![1], vec![2]], 0, Some(0));
    }

    proptest! {
        #[test]
        fn every_prompt_is_prefilled_up_to_its_last_token(
            set in prop::collection::btree_set(prop::collection::vec(0u32..3, 1..7), 1..20)
        ) {
            let prompts: Vec<Vec<u32>> = set.into_iter().collect();
            check(&prompts, 0, None);
        }
    }
}
