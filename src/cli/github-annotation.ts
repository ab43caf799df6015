/** A problem as a workflow command of GitHub Actions, which shows it at its line of the pull request. */
import { formatProblem, type PlacedProblem } from '../app/problem-text.js';

/**
 * `::error file=…,line=…,col=…,title=Reason::message`. What a pull request writes into a name or a file name cannot end
 * the line and begin a command of its own.
 */
export function githubAnnotation(problem: PlacedProblem): string {
  const { severity, file, line, column, reason } = problem;
  const properties = {
    file,
    ...(line > 0 && { line: String(line), col: String(column) }),
    title: reason,
  };
  const listed = Object.entries(properties).map(([name, value]) => `${name}=${escapeProperty(value)}`);
  return `::${severity} ${listed.join(',')}::${escapeData(aboutOf(problem))}`;
}

/** The text form without place, severity and reason, which are properties here. */
const aboutOf = (problem: PlacedProblem): string => {
  const text = formatProblem({ ...problem, file: '', line: 0, column: 0 });
  return text.slice(`${problem.severity} ${problem.reason}: `.length);
};

const escapeData = (text: string): string =>
  text.replaceAll('%', '%25').replaceAll('\r', '%0D').replaceAll('\n', '%0A');

const escapeProperty = (text: string): string => escapeData(text).replaceAll(':', '%3A').replaceAll(',', '%2C');
