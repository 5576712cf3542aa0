// The table of prompts: search, filters, order, and one pair in full.
//
// Text of models goes into the page as text nodes only; nothing here parses HTML. Rows have a fixed height, so that
// only those in view exist. What is counted here was decided elsewhere: verdicts, echoes and flips come with the rows.
'use strict';
(() => {
  const N_NUMBERS = 7;
  const N_ROWS_AROUND = 6;
  const N_CHARACTERS_IN_ROW = 160;
  const N_CHARACTERS_IN_PLACE = 250;
  const N_EXACT = 4;
  const EXACT_NAMES = ['test continuation', 'probability', 'control continuation', 'probability'];
  const GROUP_NAMES = ['repeats', 'verdict', 'test generation', 'similarity', 'control generation', 'similarity'];
  const byId = (id) => document.getElementById(id);

  const element = (name, className, ...children) => {
    const made = document.createElement(name);
    if (className) made.className = className;
    made.append(...children);
    return made;
  };

  // Text apart from its surroundings, whatever direction it is written in.
  const isolated = (...children) => element('bdi', '', ...children);

  const percent = (tenThousandths, n) => `${(tenThousandths / 100).toFixed(n)} %`;

  // Numbers of an exact leak: rates, then the texts of both sides with their probabilities.
  function exactOf(numbers) {
    const texts = (from) => Array.from({ length: numbers[from] }, (_, idx) => numbers.slice(from + 1 + 2 * idx, from + 3 + 2 * idx));
    const [leak, lower, upper, echo] = numbers;
    const test = texts(N_EXACT);
    return { leak, lower, upper, echo, test, control: texts(N_EXACT + 1 + 2 * test.length) };
  }

  // The same counts as of repeats: one, which leaks where that is more probable than not.
  function exactCell(numbers) {
    if (!numbers.length) return { n: 0, leak: 0, tie: 0, none: 0, echo: 0, points: 0, difference: 0 };
    const { leak, echo } = exactOf(numbers);
    const isLeak = leak > 5000;
    return { n: 1, leak: Number(isLeak), tie: 0, none: Number(!isLeak), echo: Number(echo >= 100), points: leak / 5000, difference: 0 };
  }

  // A map of concepts says what is in the cell under the pointer, or in the one that arrow keys have gone to. The numbers
  // are those of the table below it.
  const tellCells = (plane) => {
    const figure = plane.closest('figure');
    const drawing = figure.querySelector('.drawing');
    const told = element('p', 'told', 'Point at a cell, or go to the map with Tab and to a cell with the arrow keys, for its number.');
    told.setAttribute('role', 'status');
    drawing.after(told);
    const inSvg = (name) => document.createElementNS('http://www.w3.org/2000/svg', name);
    const [tip, cursor] = ['title', 'rect'].map(inSvg);
    const at = { row: -1, column: 0 };
    let rows;

    // Each with the concept first.
    const readRows = () => {
      const lines = figure.querySelector('.tabbed')?.textContent.trim().split('\n').slice(1);
      return lines?.map((line) => line.split('\t')) ?? [...figure.querySelector('tbody').rows].map((row) => [...row.cells].map((it) => it.textContent));
    };
    const tell = (row, column) => {
      const n = rows.length;
      if (![row, column].every((place) => place >= 0 && place < n) || (row === at.row && column === at.column)) return;
      Object.assign(at, { row, column });
      const [held, measured] = [row, column].map((place) => rows[place][0]);
      const number = rows[row][column + 1];
      const value = number === 'none' ? 'no template has both' : number;
      told.replaceChildren(isolated(held), ' in the prompt, ', isolated(measured), ` measured: ${value}`);
      tip.textContent = told.textContent;
      const [x, y, width, height] = ['x', 'y', 'width', 'height'].map((name) => Number(plane.getAttribute(name)));
      const place = { class: 'cursor', x: x + (column * width) / n, y: y + (row * height) / n, width: width / n, height: height / n };
      for (const [name, value] of Object.entries(place)) cursor.setAttribute(name, value);
      plane.append(tip);
      plane.before(cursor);
    };
    plane.addEventListener('pointermove', (event) => {
      const box = plane.getBoundingClientRect();
      rows ??= readRows();
      const n = rows.length;
      tell(Math.floor(((event.clientY - box.top) / box.height) * n), Math.floor(((event.clientX - box.left) / box.width) * n));
    });
    drawing.addEventListener('keydown', (event) => {
      const step = { ArrowDown: [1, 0], ArrowUp: [-1, 0], ArrowRight: [0, 1], ArrowLeft: [0, -1] }[event.key];
      if (!step) return;
      event.preventDefault();
      rows ??= readRows();
      if (at.row < 0) tell(0, 0);
      else tell(at.row + step[0], at.column + step[1]);
      const [box, view] = [cursor, drawing].map((it) => it.getBoundingClientRect());
      if (box.left < view.left || box.right > view.right) drawing.scrollLeft += box.left - view.left - view.width / 2;
    });
  };

  const start = () => {
    document.querySelectorAll('.plane').forEach(tellCells);
    const data = JSON.parse(byId('rows-json').textContent);
    const pairs = data.pairs.map((pair) => ({ ...pair, cells: pair.groups.map(data.is_exact ? exactCell : cell) }));
    const narrow = matchMedia('(max-width: 44rem)');
    const state = { shown: pairs, conditions: data.conditions.map((_, idx) => idx), column: 'order', isDown: false, opened: 0 };
    const viewport = byId('viewport');
    const body = byId('body');

    function cell(groups) {
      const found = { n: 0, leak: 0, tie: 0, none: 0, echo: 0, points: 0, difference: 0 };
      for (let at = 0; at < groups.length; at += N_NUMBERS) {
        const [, , test, control, verdict, echo, n] = groups.slice(at, at + N_NUMBERS);
        found.n += n;
        found.leak += verdict === 2 ? n : 0;
        found.tie += verdict === 1 ? n : 0;
        found.none += verdict === 0 ? n : 0;
        found.echo += echo * n;
        found.points += verdict * n;
        found.difference += (test - control) * n;
      }
      return found;
    }

    // The pieces of a text, with the concept as a word of its own marked.
    function highlighted(text, concept) {
      const escaped = concept.replace(/[.*+?^${}()|[\]\\/-]/g, '\\$&');
      if (!escaped) return [text];
      const word = new RegExp(`(?<![\\p{L}\\p{N}])(${escaped.replace(/\\-/g, '-')})(?![\\p{L}\\p{N}])`, 'giu');
      const pieces = text.split(word);
      return pieces.map((piece, idx) => (idx % 2 ? element('mark', '', piece) : piece));
    }

    // The names of conditions without the words that all of them begin with.
    const shortNames = (() => {
      const words = data.conditions.map((condition) => condition.name.match(/[^-:]*[-:]?/g));
      let same = 0;
      while (words.every((name) => name[same + 1] && name[same] === words[0][same])) same += 1;
      return words.map((name) => name.slice(same).join(''));
    })();

    const conceptOf = (pair) => data.concepts[pair.concept];
    const cut = (text) => (text.length > N_CHARACTERS_IN_ROW ? `${text.slice(0, N_CHARACTERS_IN_ROW)}…` : text);
    const flipsOf = (pair) => state.conditions.reduce((sum, idx) => sum + (pair.flips[idx] ?? 0), 0);

    function counts(found) {
      const list = element('span', 'counts');
      const add = (sign, word, n) => {
        if (!n) return;
        const item = element('span', '', `${sign} ${n}`);
        item.setAttribute('aria-label', `${n} of ${found.n}: ${word}`);
        item.setAttribute('role', 'img');
        list.append(item, ' ');
      };
      add('▲', 'leak', found.leak);
      add('=', 'tie', found.tie);
      add('▽', 'no leak', found.none);
      if (found.echo) list.append(element('span', 'tag', 'echo'));
      return list;
    }

    function exactCounts(pair, idx) {
      const { leak, lower, upper, echo } = exactOf(pair.groups[idx]);
      const list = element('span', 'counts', element('span', '', `${leak > 5000 ? '▲' : '▽'} ${percent(leak, 1)}`));
      if (upper > lower) list.append(' ', element('span', 'muted', `${(lower / 100).toFixed(1)} to ${(upper / 100).toFixed(1)}`));
      if (echo >= 100) list.append(' ', element('span', 'tag', `echo ${percent(echo, 0)}`));
      return list;
    }

    function exactLikely(pair, idx) {
      const [first] = exactOf(pair.groups[idx]).test;
      if (!first) return '';
      const text = isolated(...highlighted(cut(data.texts[first[0]]), conceptOf(pair)));
      return element('span', 'clamp two', text, ` (${percent(first[1], 0)})`);
    }

    function conditionCell(pair, idx) {
      const made = element('div', 'cell', element('span', 'of', shortNames[idx]));
      made.setAttribute('role', 'cell');
      const groups = pair.groups[idx];
      if (!groups.length) {
        made.append(element('span', 'muted', 'not run'));
        return made;
      }
      if (data.is_exact) {
        made.append(exactCounts(pair, idx));
        if (pair.flips[idx]) made.lastChild.append(' ', element('span', 'tag flip', 'flipped'));
        made.append(exactLikely(pair, idx));
        return made;
      }
      made.append(counts(pair.cells[idx]));
      if (pair.flips[idx]) made.lastChild.append(' ', element('span', 'tag flip', `${pair.flips[idx]} flipped`));
      const text = cut(data.texts[groups[0]]);
      const often = groups[N_NUMBERS - 1];
      made.append(element('span', 'clamp two', isolated(...highlighted(text, conceptOf(pair))), often > 1 ? ` ×${often}` : ''));
      return made;
    }

    function row(pair, rowIdx) {
      const made = element('div', 'row');
      made.setAttribute('role', 'row');
      made.setAttribute('aria-rowindex', String(rowIdx + 2));
      made.dataset.row = String(rowIdx);
      const open = element('button', 'open', String(pair.n + 1));
      open.type = 'button';
      open.setAttribute('aria-label', `Open pair ${pair.n + 1}, ${conceptOf(pair)}`);
      const add = (className, ...children) => {
        const groupCell = element('div', className, ...children);
        groupCell.setAttribute('role', 'cell');
        made.append(groupCell);
      };
      add('number', open);
      add('optional', isolated(conceptOf(pair)));
      add('optional muted', data.categories[pair.category]);
      const prompt = element('span', 'clamp', isolated(...highlighted(cut(data.texts[pair.test]), conceptOf(pair))));
      add('', prompt);
      add('optional', String(flipsOf(pair)));
      made.append(...state.conditions.map((idx) => conditionCell(pair, idx)));
      made.style.top = `${rowIdx * height()}px`;
      return made;
    }

    const height = () => (narrow.matches ? 80 + 24 * state.conditions.length : 74);

    function columns() {
      const fixed = [['order', '#'], ['concept', 'Concept'], ['category', 'Category'], ['prompt', 'Test prompt'], ['flips', 'Flips']];
      return [...fixed, ...state.conditions.map((idx) => [`condition ${idx}`, data.conditions[idx].name])];
    }

    function key(pair, column) {
      if (column === 'concept') return conceptOf(pair);
      if (column === 'category') return data.categories[pair.category];
      if (column === 'prompt') return data.texts[pair.test];
      if (column === 'flips') return flipsOf(pair);
      if (column === 'order') return pair.n;
      const found = column === 'all' ? total(pair) : pair.cells[Number(column.split(' ')[1])];
      // The difference of similarities only decides between equal verdicts: its share is below half a verdict.
      return found.n ? found.points / found.n + found.difference / found.n / 10000 : -1;
    }

    function total(pair) {
      const sum = { n: 0, points: 0, difference: 0 };
      for (const idx of state.conditions) {
        for (const name of Object.keys(sum)) sum[name] += pair.cells[idx][name];
      }
      return sum;
    }

    function sortBy(column, isDown) {
      state.column = column;
      state.isDown = isDown;
      apply();
    }

    // Where a reader begins: numbers that matter from the largest, names from the first letter.
    const startsDown = (column) => column === 'flips' || column === 'all' || column.startsWith('condition');

    function drawHead() {
      const made = element('div', 'row');
      made.setAttribute('role', 'row');
      made.setAttribute('aria-rowindex', '1');
      for (const [column, name] of columns()) {
        const isSorted = column === state.column;
        const button = element('button', '', name, isSorted ? (state.isDown ? ' ↓' : ' ↑') : '');
        button.type = 'button';
        button.addEventListener('click', () => {
          sortBy(column, isSorted ? !state.isDown : startsDown(column));
          const again = [...byId('head').querySelectorAll('button')].find((other) => other.textContent.startsWith(name));
          if (again) again.focus();
        });
        const head = element('div', '', button);
        head.setAttribute('role', 'columnheader');
        if (isSorted) head.setAttribute('aria-sort', state.isDown ? 'descending' : 'ascending');
        made.append(head);
      }
      byId('head').replaceChildren(made);
    }

    function drawSorts() {
      const options = columns().flatMap(([column, name]) => {
        const label = column === 'order' ? 'experiment order' : name;
        return [[column, false, `${label} ↑`], [column, true, `${label} ↓`]];
      });
      options.push(['all', true, 'leaks, all shown ↓'], ['all', false, 'leaks, all shown ↑']);
      byId('sort').replaceChildren(...options.map(([column, isDown, label]) => {
        const option = new Option(label, `${column}|${isDown}`);
        option.selected = column === state.column && isDown === state.isDown;
        return option;
      }));
    }

    function layout() {
      const n = state.conditions.length;
      const table = byId('table');
      table.style.setProperty('--columns', `3.4rem 5.5rem 7.5rem minmax(15rem, 2fr) 2.8rem repeat(${n}, minmax(9.5rem, 1fr))`);
      table.style.setProperty('--table-width', `${40 + 10.5 * n}rem`);
      table.style.setProperty('--row-height', `${height()}px`);
      table.setAttribute('aria-rowcount', String(state.shown.length + 1));
      body.style.height = `${state.shown.length * height()}px`;
    }

    // Draws the rows in view; those that were drawn already stay, so that focus stays too.
    function draw() {
      const top = Math.max(0, viewport.scrollTop - byId('head').offsetHeight);
      const first = Math.max(0, Math.floor(top / height()) - N_ROWS_AROUND);
      const last = Math.min(state.shown.length, Math.ceil((top + viewport.clientHeight) / height()) + N_ROWS_AROUND);
      const drawn = new Set();
      for (const old of [...body.children]) {
        const rowIdx = Number(old.dataset.row);
        if (rowIdx < first || rowIdx >= last) old.remove();
        else drawn.add(rowIdx);
      }
      // In order, because the tab key follows the order of the document.
      for (let rowIdx = first; rowIdx < last; rowIdx += 1) {
        if (!drawn.has(rowIdx)) body.insertBefore(row(state.shown[rowIdx], rowIdx), body.children[rowIdx - first] ?? null);
      }
    }

    const value = (id) => byId(id).value;
    const isAsked = (id) => byId(id)?.checked ?? false;

    function textOf(pair) {
      if (!pair.text) {
        const numbers = new Set([pair.test, pair.control]);
        for (const groups of pair.groups) {
          if (data.is_exact) {
            const { test, control } = groups.length ? exactOf(groups) : { test: [], control: [] };
            for (const [number] of [...test, ...control]) numbers.add(number);
            continue;
          }
          for (let at = 0; at < groups.length; at += N_NUMBERS) numbers.add(groups[at]).add(groups[at + 1]);
        }
        const texts = [...numbers].map((number) => data.texts[number]);
        pair.text = [conceptOf(pair), ...texts].join('\n').toLowerCase();
      }
      return pair.text;
    }

    function matches(pair, words) {
      const any = (name) => state.conditions.some((idx) => pair.cells[idx][name]);
      return (!value('category') || data.categories[pair.category] === value('category'))
        && (!value('concept') || conceptOf(pair) === value('concept'))
        && (!isAsked('leaked') || any('leak'))
        && (!isAsked('tie') || any('tie'))
        && (!isAsked('echo') || any('echo'))
        && (!isAsked('flipped') || flipsOf(pair) > 0)
        && words.every((word) => textOf(pair).includes(word));
    }

    function apply() {
      const isShown = (condition) => (!value('model') || condition.model === value('model'))
        && (!value('quantization') || condition.quantization === value('quantization'));
      state.conditions = data.conditions.flatMap((condition, idx) => (isShown(condition) ? [idx] : []));
      if (!columns().some(([column]) => column === state.column) && state.column !== 'all') {
        [state.column, state.isDown] = ['order', false];
      }
      const words = value('search').toLowerCase().split(/\s+/).filter(Boolean);
      const keyed = pairs.filter((pair) => matches(pair, words)).map((pair) => [key(pair, state.column), pair]);
      const direction = state.isDown ? -1 : 1;
      keyed.sort(([a, pairA], [b, pairB]) => (a < b ? -direction : a > b ? direction : pairA.n - pairB.n));
      state.shown = keyed.map(([, pair]) => pair);
      viewport.scrollTop = 0;
      body.replaceChildren();
      layout();
      drawHead();
      drawSorts();
      draw();
      const nConditions = state.conditions.length === 1 ? '1 condition' : `${state.conditions.length} conditions`;
      byId('status').textContent = `${state.shown.length} of ${pairs.length} prompt pairs, ${nConditions}`;
    }

    // A text that is longer than its place can be scrolled with the keyboard, too.
    function scrollable(made) {
      if (made.textContent.length > N_CHARACTERS_IN_PLACE) made.tabIndex = 0;
      return made;
    }

    function side(title, text, concept) {
      const prompt = scrollable(element('p', 'text', isolated(...highlighted(text, concept))));
      return element('div', '', element('h4', '', title), prompt);
    }

    function similarity(thousandths) {
      return (thousandths / 1000).toFixed(3).replace('-', '−');
    }

    // A row of a table in the detail: each child into a cell under one of the names.
    function detailRow(names, cells) {
      const made = cells.map((children, idx) => {
        const groupCell = element('td', '', element('div', '', ...children));
        groupCell.dataset.name = names[idx];
        return groupCell;
      });
      return element('tr', '', ...made);
    }

    function detailText(pair, number) {
      return scrollable(element('div', 'text', isolated(...highlighted(data.texts[number], conceptOf(pair)))));
    }

    function groupRows(pair, idx) {
      const groups = pair.groups[idx];
      const rows = [];
      for (let at = 0; at < groups.length; at += N_NUMBERS) {
        const [test, control, toTest, toControl, verdict, echo, n] = groups.slice(at, at + N_NUMBERS);
        rows.push(detailRow(GROUP_NAMES, [
          [`×${n}`],
          [['▽ no leak', '= tie', '▲ leak'][verdict], ...(echo ? [' ', element('span', 'tag', 'echo')] : [])],
          [detailText(pair, test)],
          [similarity(toTest)],
          [detailText(pair, control)],
          [similarity(toControl)],
        ]));
      }
      return rows;
    }

    function exactRows(pair, idx) {
      const { test, control } = exactOf(pair.groups[idx]);
      const side = (likely) => (likely ? [[detailText(pair, likely[0])], [percent(likely[1], 1)]] : [[], []]);
      const n = Math.max(test.length, control.length);
      return Array.from({ length: n }, (_, at) => detailRow(EXACT_NAMES, [...side(test[at]), ...side(control[at])]));
    }

    function exactNote(pair, idx) {
      if (!pair.groups[idx].length) return '';
      const { leak, lower, upper, echo } = exactOf(pair.groups[idx]);
      const flip = pair.flips[idx] ? '; flipped' : '';
      const isBase = data.conditions[idx].is_base ? ' (base)' : '';
      return `${isBase}: leaks with ${percent(leak, 1)}, certainly ${percent(lower, 1)} to ${percent(upper, 1)}; echoes with ${percent(echo, 1)}${flip}`;
    }

    function conditionTable(pair, idx) {
      const condition = data.conditions[idx];
      const flips = pair.flips[idx];
      const repeatNote = condition.is_base ? ' (base)' : flips == null ? '' : `: ${flips} of ${pair.cells[idx].n} repeats flipped`;
      const note = data.is_exact ? exactNote(pair, idx) : repeatNote;
      const names = data.is_exact ? EXACT_NAMES : GROUP_NAMES;
      const heading = element('h4', '', condition.name, element('span', 'muted', note));
      const head = element('tr', '', ...names.map((name) => {
        const made = element('th', '', name);
        made.scope = 'col';
        return made;
      }));
      const rows = !pair.groups[idx].length ? [] : data.is_exact ? exactRows(pair, idx) : groupRows(pair, idx);
      const table = element('table', '', element('thead', '', head), element('tbody', '', ...rows));
      const scroll = element('div', 'scroll', table);
      scroll.tabIndex = 0;
      scroll.setAttribute('role', 'region');
      scroll.setAttribute('aria-label', condition.name);
      return [heading, pair.groups[idx].length ? scroll : element('p', 'muted', 'not run')];
    }

    function open(rowIdx) {
      const pair = state.shown[rowIdx];
      if (!pair) return;
      state.opened = rowIdx;
      const concept = conceptOf(pair);
      byId('detail-title').replaceChildren(`Pair ${pair.n + 1}: `, isolated(concept), ` (${data.categories[pair.category]})`);
      const sides = element('div', 'sides', side('Test prompt', data.texts[pair.test], concept), side('Control prompt', data.texts[pair.control], concept));
      byId('detail-body').replaceChildren(sides, ...state.conditions.flatMap((idx) => conditionTable(pair, idx)));
      byId('previous').disabled = rowIdx === 0;
      byId('next').disabled = rowIdx === state.shown.length - 1;
      if (!byId('detail').open) byId('detail').showModal();
      byId('detail').scrollTop = 0;
    }

    function focusRow(rowIdx) {
      if (rowIdx < 0 || rowIdx >= state.shown.length) return;
      const head = byId('head').offsetHeight;
      const top = rowIdx * height();
      if (top < viewport.scrollTop) viewport.scrollTop = top;
      const below = top + height() + head - viewport.clientHeight;
      if (below > viewport.scrollTop) viewport.scrollTop = below;
      draw();
      const wanted = body.querySelector(`[data-row="${rowIdx}"] .open`);
      if (wanted) wanted.focus({ preventScroll: true });
    }

    function fill(id, names) {
      byId(id).append(...[...new Set(names)].map((name) => new Option(name, name)));
    }

    fill('model', data.conditions.map((condition) => condition.model));
    fill('quantization', data.conditions.map((condition) => condition.quantization));
    fill('category', data.categories);
    fill('concept', data.concepts);
    byId('browser').hidden = false;

    const filters = byId('filters');
    filters.addEventListener('submit', (event) => event.preventDefault());
    filters.addEventListener('input', (event) => {
      if (event.target.id !== 'sort') apply();
    });
    filters.addEventListener('reset', () => setTimeout(() => sortBy('order', false), 0));
    byId('sort').addEventListener('change', () => {
      const [column, isDown] = value('sort').split('|');
      sortBy(column, isDown === 'true');
    });
    viewport.addEventListener('scroll', draw, { passive: true });
    body.addEventListener('click', (event) => {
      const clicked = event.target.closest('.row');
      if (clicked) open(Number(clicked.dataset.row));
    });
    body.addEventListener('keydown', (event) => {
      const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
      const focused = event.target.closest('.row');
      if (!step || !focused) return;
      event.preventDefault();
      focusRow(Number(focused.dataset.row) + step);
    });
    byId('previous').addEventListener('click', () => open(state.opened - 1));
    byId('next').addEventListener('click', () => open(state.opened + 1));
    byId('close').addEventListener('click', () => byId('detail').close());
    byId('detail').addEventListener('close', () => focusRow(state.opened));
    addEventListener('resize', () => {
      body.replaceChildren();
      layout();
      draw();
    });
    apply();
  };

  // The page is painted first; a page in the background paints nothing, so it does not wait.
  if (document.hidden) setTimeout(start, 0);
  else requestAnimationFrame(() => setTimeout(start, 0));
})();
