"""Results of two runs in one folder are not mixed silently."""

from ghost_vpr_ros.cli.older_files import files_in, report_older_files


def test_files_that_a_run_did_not_write_are_named(tmp_path, capsys):
    for name in ('closures.g2o', 'report.html'):
        (tmp_path / name).write_text('1')
    before = files_in(tmp_path)
    (tmp_path / 'report.html').write_text('2')
    (tmp_path / 'new.csv').write_text('2')
    before['report.html'] -= 1  # a clock of a file system may be coarse
    report_older_files(tmp_path, before)
    assert capsys.readouterr().err == (
        f'note: {tmp_path} also holds files that are not of this run: closures.g2o\n'
    )


def test_a_new_folder_needs_no_note(tmp_path, capsys):
    report_older_files(tmp_path, files_in(tmp_path))
    assert capsys.readouterr().err == ''
